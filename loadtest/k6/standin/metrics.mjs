// k6/metrics, as far as our scripts use it.
class Metric {
  constructor(name) { this.name = name; }

  add(value, tags) { globalThis.standin.add(this.name, this.constructor.name, value, tags); }
}

export class Counter extends Metric {}
export class Trend extends Metric {}
