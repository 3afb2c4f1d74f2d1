import { createRequire, syncBuiltinESMExports } from 'node:module'
import type * as net from 'node:net'

type Net = { -readonly [K in keyof typeof net]: (typeof net)[K] }

/**
 * From now on connections of this thread to an address in `routes` go to the address that stands there: `host:port` to
 * `host:port`. Brokers tell their own addresses, so it is not enough to give a client others to begin with.
 */
export function routeConnections(routes: Readonly<Record<string, string>>): void {
  const module = createRequire(import.meta.url)('node:net') as Net
  const { connect } = module
  const routed = (...args: unknown[]): net.Socket => {
    const [first, ...rest] = args
    return Reflect.apply(connect, module, [reroute(first, routes), ...rest]) as net.Socket
  }
  module.connect = routed as typeof connect
  module.createConnection = routed as typeof connect
  syncBuiltinESMExports()
}

/** Options of a TCP connection, on their way to another address; anything else as it is. */
function reroute(options: unknown, routes: Readonly<Record<string, string>>): unknown {
  if (typeof options !== 'object' || options === null || !('port' in options)) return options
  const { host = 'localhost' } = options as { host?: string }
  const route = routes[`${host}:${String(options.port)}`]
  if (route === undefined) return options
  const colon = route.lastIndexOf(':')
  return { ...options, host: route.slice(0, colon), port: Number(route.slice(colon + 1)) }
}
