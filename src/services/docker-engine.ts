import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'

/** How long an engine may take to answer a ping before it counts as absent. */
const pingTimeoutMs = 1_000

/**
 * Address of the first Docker engine that answers, or undefined. Much quicker than to load testcontainers and let
 * it fail: where no socket exists nothing is asked at all.
 */
export async function reachableDockerEngine(
  env: NodeJS.ProcessEnv = process.env,
  sockets: readonly string[] = usualSockets(env),
): Promise<string | undefined> {
  const host = env.DOCKER_HOST
  // An engine behind TLS or ssh is not pinged: whoever set DOCKER_HOST to one means it.
  if (host && !/^(unix|tcp|http):/.test(host)) return host
  const addresses = host ? [host] : sockets.filter((path) => existsSync(path)).map((path) => `unix://${path}`)
  if (host && env.DOCKER_TLS_VERIFY === '1') return host
  const answers = await Promise.all(addresses.map(ping))
  return addresses.find((_, index) => answers[index])
}

/** The sockets where testcontainers looks, in its order. */
function usualSockets(env: NodeJS.ProcessEnv): string[] {
  if (process.platform === 'win32') return []
  const runtimeDir = env.XDG_RUNTIME_DIR
  return [
    '/var/run/docker.sock',
    ...(runtimeDir ? [join(runtimeDir, 'docker.sock')] : []),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
    `/run/user/${userInfo().uid}/docker.sock`,
  ]
}

function ping(address: string): Promise<boolean> {
  const url = new URL(address)
  const target =
    url.protocol === 'unix:' ? { socketPath: url.pathname } : { host: url.hostname, port: url.port || 2375 }
  return new Promise((resolve) => {
    const req = request({ ...target, path: '/_ping', timeout: pingTimeoutMs }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    // An engine that refuses, or says nothing, is simply not there.
    req.on('timeout', () => req.destroy())
    req.on('error', () => resolve(false))
    req.on('close', () => resolve(false))
    req.end()
  })
}
