const items = ['tea', 'coffee', 'cocoa']

/** The `i`-th order. */
export function recordOf(i) {
  const at = new Date(Date.UTC(2026, 0, 1) + i * 500).toISOString()
  return { value: JSON.stringify({ item: items[i % items.length], amount: ((i % 900) + 100) / 100, at }) }
}
