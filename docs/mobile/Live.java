// Live.java follows a goalcast hub with nothing but the JDK, 17 or later:
//
//   java Live.java https://live.example match:1009316,team:174
//
// It prints each event and the score, comes back after a cut with its cursor, and ends when the hub
// refuses for good. Lines on standard input are what a phone does: "background", "foreground". With
// GOALCAST_USER (the token of who watches, or 32 random characters that the app keeps) and
// GOALCAST_DEVICE (a registration token of Firebase) it first registers the phone for pushes and
// follows the topics. docs/wire.md has the rules, docs/mobile.md what else an app does.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

public final class Live {
    // Milliseconds. A wait is random, up to a bound that doubles with each try; it begins with the
    // first again only after a connection that held for a minute.
    private static final long FIRST_WAIT = 500, LONGEST_WAIT = 30_000, SETTLED = 60_000;
    private static final long HELLO_TIMEOUT = 10_000, PONG_TIMEOUT = 10_000;
    private static final String END = ""; // among frames: the connection is over, or the app went away

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    private final String url, user;
    private final List<String> topics;

    private String cursor; // everything up to here was seen ...
    private final Set<String> unjoined = new HashSet<>(); // ... but for these, whose snapshot has not come
    private final Map<Long, Match> matches = new HashMap<>();
    private final Map<String, Long> revisions = new LinkedHashMap<>() { // of the newest 5000 events
        @Override protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) { return size() > 5000; }
    };

    private final Object phone = new Object();
    private boolean foreground = true;
    private volatile BlockingQueue<String> frames = new LinkedBlockingQueue<>();

    Live(String url, List<String> topics, String user) {
        this.url = url.replaceAll("/+$", "");
        this.topics = topics;
        this.user = user;
        unjoined.addAll(topics);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Live.java https://live.example match:1009316,team:174");
            System.exit(2);
        }
        Live live = new Live(args[0], List.of(args[1].split(",")), System.getenv("GOALCAST_USER"));
        String device = System.getenv("GOALCAST_DEVICE");
        if (device != null) live.register(device, "android", "nl");
        Thread input = new Thread(live::readPhone);
        input.setDaemon(true);
        input.start();
        System.exit(live.run());
    }

    // ---- The connection.

    /** What ended a connection. */
    private record Gone(String reason, long retry, boolean isFinal, boolean held) {}

    /** Follows until the hub refuses for good; that is 1. */
    int run() throws InterruptedException {
        for (int failures = 0; ; ) {
            synchronized (phone) {
                while (!foreground) phone.wait(); // nobody looks: no connection
            }
            Gone gone = listen();
            if (gone.isFinal) {
                System.out.println("# refused: " + gone.reason);
                return 1;
            }
            if (gone.held) failures = 0;
            long bound = Math.min(LONGEST_WAIT, FIRST_WAIT << Math.min(failures, 10));
            boolean drains = gone.reason.equals("drain") && gone.retry > 0; // in good order: come back as told
            long wait = drains ? gone.retry : Math.max(gone.retry, ThreadLocalRandom.current().nextLong(bound));
            if (!drains) failures++;
            System.out.println("# reconnecting: " + gone.reason);
            synchronized (phone) {
                if (foreground) phone.wait(Math.max(1, wait)); // who comes back to the app does not wait
            }
        }
    }

    private Gone listen() throws InterruptedException {
        BlockingQueue<String> frames = new LinkedBlockingQueue<>();
        this.frames = frames;
        WebSocket socket;
        WebSocket.Builder builder = http.newWebSocketBuilder().connectTimeout(Duration.ofMillis(HELLO_TIMEOUT));
        if (user != null) builder.header("Authorization", "Bearer " + user);
        CompletableFuture<WebSocket> opening = builder.buildAsync(
            URI.create(address("").replaceFirst("^http", "ws")), new Reader(frames));
        try {
            socket = opening.get(HELLO_TIMEOUT, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            opening.thenAccept(WebSocket::abort);
            return why();
        }
        try {
            long wait = HELLO_TIMEOUT, silence = 25_000, greeted = 0;
            boolean asked = false;
            for (;;) {
                String text = frames.poll(wait, TimeUnit.MILLISECONDS);
                boolean held = greeted > 0 && System.nanoTime() - greeted > SETTLED * 1_000_000;
                if (text == END) return new Gone("connection lost", 0, false, held);
                if (text == null && (greeted == 0 || asked)) return new Gone("silent", 0, false, held);
                if (text == null) { // silent for longer than the hub said: is anybody there?
                    socket.sendText("{\"type\":\"ping\",\"id\":\"1\"}", true);
                    asked = true;
                    wait = PONG_TIMEOUT;
                    continue;
                }
                Map<String, Object> frame = Json.object(Json.parse(text));
                asked = false;
                switch (String.valueOf(frame.get("type"))) {
                    case "hello" -> {
                        greeted = System.nanoTime();
                        if (frame.get("ping") instanceof Number ping) silence = ping.longValue();
                        System.out.println("# live");
                    }
                    case "snapshot" -> snapshot(frame);
                    case "event" -> event(frame);
                    case "reset" -> reset();
                    case "pong" -> keepCursor(frame);
                    case "bye" -> {
                        keepCursor(frame);
                        String reason = String.valueOf(frame.get("reason"));
                        return new Gone(reason, Json.number(frame.get("retry")), false, held);
                    }
                    default -> { } // later versions add types
                }
                wait = greeted == 0 ? HELLO_TIMEOUT : silence;
            }
        } finally {
            socket.abort();
        }
    }

    /** Puts whole messages into a queue. */
    private record Reader(BlockingQueue<String> frames, StringBuilder part) implements WebSocket.Listener {
        Reader(BlockingQueue<String> frames) { this(frames, new StringBuilder()); }

        @Override public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            part.append(data);
            if (last) {
                frames.add(part.toString());
                part.setLength(0);
            }
            socket.request(1);
            return null;
        }

        @Override public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            frames.add(END);
            return null;
        }

        @Override public void onError(WebSocket socket, Throwable error) { frames.add(END); }
    }

    /** Asks why there is no connection: the answer to a handshake does not reach a program. */
    private Gone why() throws InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address("&check=1")))
            .timeout(Duration.ofMillis(HELLO_TIMEOUT)).header("Accept", "application/json");
        if (user != null) request.header("Authorization", "Bearer " + user);
        try {
            HttpResponse<String> answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
            int status = answer.statusCode();
            if (!answer.headers().firstValue("Content-Type").orElse("").startsWith("application/problem+json")) {
                return new Gone("no connection", 0, false, false); // not the hub's word
            }
            Map<String, Object> problem = Json.object(Json.parse(answer.body()));
            if ("bad_cursor".equals(problem.get("code")) && cursor != null) { // without it there is a way
                reset();
                return new Gone("bad_cursor", 0, false, false);
            }
            long retry = answer.headers().firstValueAsLong("Retry-After").orElse(0) * 1000;
            boolean isFinal = status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
            return new Gone(problem.get("code") + ", " + problem.get("detail"), retry, isFinal, false);
        } catch (IOException | IllegalArgumentException e) {
            return new Gone("no network", 0, false, false); // the next try will tell
        }
    }

    private String address(String more) {
        String since = cursor == null || !unjoined.isEmpty() ? "" // it would leave out those that have not come
            : "&since=" + URLEncoder.encode(cursor, StandardCharsets.UTF_8);
        return url + "/v1/live?topics=" + String.join(",", topics) + since + more;
    }

    // ---- What is known.

    private static final class Match {
        String home, away;
        long homeId, seq;
        Map<String, Object> awarded; // a result that was decided off the pitch
        final Map<String, Map<String, Object>> timeline = new HashMap<>(); // by id, the newest revisions

        /** Counts the goals. Scores of events are not added up: a goal may be taken back. */
        String score() {
            if (awarded != null) return awarded.get("home") + "-" + awarded.get("away");
            int[] goals = new int[2];
            for (Map<String, Object> e : timeline.values()) {
                if ("goal".equals(e.get("kind")) && !"cancelled".equals(e.get("status"))) {
                    goals[Json.number(e.get("team")) == homeId ? 0 : 1]++;
                }
            }
            return goals[0] + "-" + goals[1];
        }

        void setFixture(Map<String, Object> of) {
            Map<String, Object> home = Json.object(of.get("home")), away = Json.object(of.get("away"));
            this.home = String.valueOf(home.get("name"));
            this.away = String.valueOf(away.get("name"));
            homeId = Json.number(home.get("id"));
            awarded = of.get("awarded") == null ? null : Json.object(of.get("awarded"));
        }

        void put(Map<String, Object> event) {
            Map<String, Object> known = timeline.get(String.valueOf(event.get("id")));
            if (known != null && Json.number(known.get("revision")) >= Json.number(event.get("revision"))) return;
            timeline.put(String.valueOf(event.get("id")), event);
        }
    }

    private void snapshot(Map<String, Object> frame) {
        for (Object one : Json.list(frame.get("matches"))) {
            Map<String, Object> incoming = Json.object(one);
            Match match = matches.computeIfAbsent(Json.number(incoming.get("id")), id -> new Match());
            if (Json.number(incoming.get("seq")) < match.seq) continue; // it is known newer
            match.seq = Json.number(incoming.get("seq"));
            match.setFixture(incoming);
            for (Object event : Json.list(incoming.get("timeline"))) match.put(Json.object(event));
            System.out.printf("= %s %s %s%n", match.home, match.score(), match.away);
        }
        unjoined.remove(String.valueOf(frame.get("topic")));
        if (frame.get("cursor") instanceof String c) cursor = c;
    }

    private void event(Map<String, Object> frame) {
        if (frame.get("cursor") instanceof String c) cursor = c;
        Map<String, Object> event = Json.object(frame.get("event"));
        long id = Json.number(event.get("match")), revision = Json.number(event.get("revision"));
        String key = id + "/" + event.get("id"); // an event's id is of its match
        if (revisions.getOrDefault(key, 0L) >= revision) return; // it comes a second time
        revisions.put(key, revision);
        Match match = matches.get(id);
        if (match != null) {
            match.seq = Math.max(match.seq, Json.number(event.get("seq")));
            if (event.get("fixture") != null) match.setFixture(Json.object(event.get("fixture")));
            match.put(event);
        }
        String score = match == null ? "" : String.format(" %s %s %s", match.home, match.score(), match.away);
        System.out.printf("%s %s %s%s%n", event.get("kind"), event.get("status"), event.getOrDefault("clock", "-"),
            score);
    }

    private void keepCursor(Map<String, Object> frame) {
        if (frame.get("cursor") instanceof String c && unjoined.isEmpty()) cursor = c;
    }

    /** What comes next begins anew. */
    private void reset() {
        cursor = null;
        revisions.clear();
        matches.clear();
        unjoined.addAll(topics);
    }

    // ---- The phone.

    private void readPhone() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line; (line = in.readLine()) != null; ) {
                synchronized (phone) {
                    foreground = line.equals("foreground");
                    phone.notifyAll();
                    if (!foreground) frames.add(END); // the cursor stays
                }
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** Has pushes of the topics sent to this phone. Apps do so at each start, and when the token changes. */
    void register(String device, String platform, String language) throws IOException, InterruptedException {
        put("/v1/me/devices/" + URLEncoder.encode(device, StandardCharsets.UTF_8),
            "{\"platform\":\"" + platform + "\",\"language\":\"" + language + "\"}");
        for (String topic : topics) put("/v1/me/follows/" + topic, "");
    }

    private void put(String path, String body) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(10))
            .header("Authorization", "Bearer " + user);
        if (!body.isEmpty()) request.header("Content-Type", "application/json");
        HttpResponse<String> answer = http.send(request.PUT(HttpRequest.BodyPublishers.ofString(body)).build(),
            HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() / 100 == 2) return;
        throw new IOException(path + ": " + answer.statusCode() + " " + answer.body());
    }

    /** As much of JSON as is needed where there is no library; an app has one. */
    private static final class Json {
        private final String text;
        private int at;

        private Json(String text) { this.text = text; }

        static Object parse(String text) {
            Json json = new Json(text);
            Object value = json.value();
            json.space();
            if (json.at != text.length()) throw json.wrong();
            return value;
        }

        @SuppressWarnings("unchecked")
        static Map<String, Object> object(Object value) {
            return value instanceof Map ? (Map<String, Object>) value : Map.of();
        }

        @SuppressWarnings("unchecked")
        static List<Object> list(Object value) { return value instanceof List ? (List<Object>) value : List.of(); }

        static long number(Object value) { return value instanceof Number n ? n.longValue() : 0; }

        private Object value() {
            space();
            if (at == text.length()) throw wrong();
            switch (text.charAt(at)) {
                case '{': {
                    Map<String, Object> object = new LinkedHashMap<>();
                    for (at++; !next('}'); next(',')) {
                        space();
                        String name = string();
                        if (!next(':')) throw wrong();
                        object.put(name, value());
                    }
                    return object;
                }
                case '[': {
                    List<Object> list = new ArrayList<>();
                    for (at++; !next(']'); next(',')) list.add(value());
                    return list;
                }
                case '"':
                    return string();
                default:
                    int from = at;
                    while (at < text.length() && ",]} \n\r\t".indexOf(text.charAt(at)) < 0) at++;
                    String word = text.substring(from, at);
                    return switch (word) {
                        case "true" -> true;
                        case "false" -> false;
                        case "null" -> null;
                        default -> word.matches("-?\\d+") ? (Number) Long.valueOf(word) : (Number) Double.valueOf(word);
                    };
            }
        }

        private String string() {
            if (!next('"')) throw wrong();
            StringBuilder out = new StringBuilder();
            for (;;) {
                if (at >= text.length()) throw wrong();
                char c = text.charAt(at++);
                if (c == '"') return out.toString();
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                c = text.charAt(at++);
                switch (c) {
                    case 'n' -> out.append('\n');
                    case 't' -> out.append('\t');
                    case 'r' -> out.append('\r');
                    case 'b' -> out.append('\b');
                    case 'f' -> out.append('\f');
                    case 'u' -> {
                        out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                        at += 4;
                    }
                    default -> out.append(c);
                }
            }
        }

        private boolean next(char c) {
            space();
            if (at >= text.length() || text.charAt(at) != c) return false;
            at++;
            return true;
        }

        private void space() {
            while (at < text.length() && " \n\r\t".indexOf(text.charAt(at)) >= 0) at++;
        }

        private IllegalArgumentException wrong() { return new IllegalArgumentException("no JSON at " + at + ": " + text); }
    }
}
