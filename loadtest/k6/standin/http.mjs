// k6/http, as far as our scripts use it. k6's get holds up the viewer; here it may be awaited or not,
// and setup, which uses it, is run before anybody else.
import { spawnSync } from 'node:child_process';

async function asyncRequest(method, url, body, params = {}) {
  const begun = performance.now();
  const note = (failed) => {
    globalThis.standin.add('http_req_duration', 'Trend', performance.now() - begun, params.tags);
    globalThis.standin.add('http_req_failed', 'Rate', failed ? 1 : 0, params.tags);
  };
  try {
    const answer = await fetch(url, { method, body, headers: params.headers });
    const text = await answer.text();
    note(answer.status >= 400);
    return { status: answer.status, body: text, json: () => JSON.parse(text) };
  } catch (error) {
    note(true);
    return { status: 0, body: '', error: error.message, json: () => undefined };
  }
}

function get(url) {
  const { stdout } = spawnSync('curl', ['-s', '-w', '\n%{http_code}', url], { encoding: 'utf8' });
  const end = stdout.lastIndexOf('\n');
  const [body, status] = [stdout.slice(0, end), Number(stdout.slice(end + 1))];
  return { status, body, json: () => JSON.parse(body) };
}

export default { asyncRequest, get };
