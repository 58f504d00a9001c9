// A stand-in for k6, for our tests: it runs the scripts of this folder in Node, with the few functions of
// k6 that they use. It is not k6: it knows no gracefulStop, ramps by starting all viewers at once, and
// says nothing of load. What it shows is that the scripts do what they say, against a real hub.
//   node standin/run.mjs SCRIPT
// GOALCAST_STANDIN_VUS is how many viewers a scenario has at most. Prints a summary as JSON; the exit
// status is 99, as k6's, where a threshold is crossed, and 108 where the script aborts.
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { AsyncLocalStorage } from 'node:async_hooks';

register('./hooks.mjs', import.meta.url);

const script = pathToFileURL(process.argv[2]).href;
const most = Number(process.env.GOALCAST_STANDIN_VUS ?? 5);
const standin = {
  env: { ...process.env }, metrics: new Map(), vu: new AsyncLocalStorage(),
  // add is what all metrics do: a sample with its tags, ours or a request's.
  add(name, type, value, tags = {}) {
    if (!this.metrics.has(name)) this.metrics.set(name, { type, samples: [] });
    this.metrics.get(name).samples.push({ value: Number(value), tags });
  },
};
globalThis.__ENV = standin.env;
globalThis.standin = standin;

const { options, setup } = await import(`${script}?vu=0`);
let number = 0;
try {
  const data = await standin.vu.run(context('setup', 0), () => setup?.());
  await Promise.all(Object.entries(options.scenarios).map(([name, scenario]) => play(name, scenario, data)));
} catch (error) {
  console.error(error.message);
  process.exit(error.aborts ? 108 : 107);
}

function context(name, vu) { return { scenario: { name, startTime: Date.now() }, idInTest: vu, iteration: 0 }; }

// play runs one scenario: each of its viewers begins again and again until the time is over.
async function play(name, scenario, data) {
  const wanted = scenario.vus ?? Math.max(...scenario.stages.map((s) => s.target));
  const stages = scenario.stages ?? [{ duration: scenario.duration ?? scenario.maxDuration }];
  await after(ms(scenario.startTime ?? '0ms'));
  const end = Date.now() + stages.reduce((sum, s) => sum + ms(s.duration), 0);
  const vus = [];
  for (let i = 0; i < Math.min(wanted, most); i++) vus.push(visitor(name, scenario, data, end, ++number));
  await Promise.all(vus);
}

async function visitor(name, scenario, data, end, vu) {
  const module = await import(`${script}?vu=${vu}`); // k6: a runtime of its own for each
  const own = context(name, vu);
  own.end = end;
  await standin.vu.run(own, async () => {
    for (; Date.now() < end && own.iteration < (scenario.iterations ?? Infinity); own.iteration++) {
      await Promise.race([module[scenario.exec](data), after(end - Date.now() + 500)]);
    }
  });
}

function ms(text) {
  const parts = /^(\d+)(ms|s)$/.exec(text);
  if (!parts) throw new Error(`a duration that the stand-in does not know: ${text}`);
  return Number(parts[1]) * (parts[2] === 's' ? 1000 : 1);
}

function after(time) { return new Promise((done) => { setTimeout(done, Math.max(0, time)); }); }

// measured gives what a threshold asks for, over the samples with its tags.
function measured(selector, figure) {
  const [, name, tag] = /^([^{]+)(?:\{(.+)\})?$/.exec(selector);
  const [key, wanted] = tag?.split(':') ?? [];
  const samples = (standin.metrics.get(name)?.samples ?? []).filter((s) => !key || s.tags[key] === wanted);
  const values = samples.map((s) => s.value).sort((a, b) => a - b);
  const sum = values.reduce((a, b) => a + b, 0);
  if (figure === 'count') return sum;
  if (figure === 'rate') return values.length ? sum / values.length : 0;
  const p = Number(/^p\((\d+)\)$/.exec(figure)[1]);
  return values[Math.min(values.length - 1, Math.ceil(values.length * p / 100) - 1)]; // undefined: nothing was measured
}

let crossed = false;
const thresholds = {};
for (const [selector, rules] of Object.entries(options.thresholds)) {
  for (const rule of rules) {
    const [, figure, sign, limit] = /^(count|rate|p\(\d+\))(<|==)([\d.]+)$/.exec(rule);
    const is = measured(selector, figure);
    const ok = is === undefined || (sign === '<' ? is < Number(limit) : is === Number(limit)); // k6: nothing measured holds
    thresholds[`${selector}: ${rule}`] = { ok, is };
    crossed ||= !ok;
  }
}
const counts = {};
for (const [name, { samples }] of standin.metrics) counts[name] = samples.reduce((sum, s) => sum + s.value, 0);
process.stdout.write(`${JSON.stringify({ thresholds, counts })}\n`, () => process.exit(crossed ? 99 : 0));
