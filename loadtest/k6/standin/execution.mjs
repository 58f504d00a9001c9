// k6/execution, as far as our scripts use it.
const own = () => globalThis.standin.vu.getStore();

export default {
  vu: { get idInTest() { return own().idInTest; }, get iterationInScenario() { return own().iteration; } },
  scenario: { get name() { return own().scenario.name; }, get startTime() { return own().scenario.startTime; } },
  test: { abort(why) { throw Object.assign(new Error(why), { aborts: true }); } },
};
