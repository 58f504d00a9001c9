// Where Node finds k6's modules, and that each viewer has modules of its own.
export async function resolve(name, context, next) {
  if (name.startsWith('k6/')) return { url: new URL(`./${name.slice(3)}.mjs`, import.meta.url).href, shortCircuit: true };
  const found = await next(name, context);
  const vu = new URL(context.parentURL ?? 'file:///').searchParams.get('vu');
  if (vu !== null && name.startsWith('./')) found.url += `?vu=${vu}`;
  return found;
}
