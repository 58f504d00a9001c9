// A hub in Bun, with as little around its own pub/sub as there can be.
Bun.serve({
	hostname: "127.0.0.1",
	port: Number(process.argv[2]),
	async fetch(request, server) {
		const path = request.url.slice(request.url.indexOf("/", 8));
		if (path.startsWith("/pub/")) {
			server.publish(path.slice(5), await request.text());
			return new Response(null, { status: 202 });
		}
		if (path.startsWith("/sub/") && server.upgrade(request, { data: path.slice(5) })) return;
		return new Response(null, { status: 404 });
	},
	websocket: {
		idleTimeout: 41, // it pings 16 seconds before that: every 25 seconds
		open(socket) { socket.subscribe(socket.data); },
		message() {},
	},
});
