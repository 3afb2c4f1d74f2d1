/** The `i`-th report of a fleet of thermostats, keyed by its device. */
export function recordOf(i) {
  const device = `thermostat-${(i * 31) % 150}`
  const seen = new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString()
  return { key: device, value: JSON.stringify({ celsius: 15 + ((i * 13) % 100) / 10, seen }) }
}
