const pages = ['/', '/pricing', '/docs', '/docs/strategies', '/signup']

/** The `i`-th click of a web shop, keyed by its visitor. */
export function recordOf(i) {
  const visitor = `v${(i * 7919) % 200}`
  const at = new Date(Date.UTC(2026, 0, 1) + i * 250).toISOString()
  return { key: visitor, value: JSON.stringify({ visitor, page: pages[i % pages.length], at }) }
}
