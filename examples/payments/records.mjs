/** The `i`-th payment, keyed by the account that pays. */
export function recordOf(i) {
  const account = `DE${String((i * 104_729) % 500).padStart(6, '0')}`
  const day = new Date(Date.UTC(2026, 0, 1 + (i % 3))).toISOString()
  return { key: account, value: JSON.stringify({ account, amount: ((i % 9_000) + 100) / 100, day }) }
}
