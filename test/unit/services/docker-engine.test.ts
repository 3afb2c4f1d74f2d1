import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { reachableDockerEngine } from '../../../src/services/docker-engine.ts'

let folder = ''
const servers: Server[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oncesink-test-'))
})
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  rmSync(folder, { recursive: true })
})

async function engine(answer: RequestListener): Promise<string> {
  const path = join(folder, `docker-${servers.length}.sock`)
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return path
}

const answers: RequestListener = (request, response) => {
  response.statusCode = request.url === '/_ping' ? 200 : 404
  response.end()
}

test('where no socket exists there is no engine', async () => {
  expect(await reachableDockerEngine({}, [join(folder, 'none.sock')])).toBeUndefined()
})

test('the first socket that answers is the engine', async () => {
  const silent = await engine(() => undefined)
  const refusing = await engine((_, response) => void response.writeHead(403).end())
  const alive = await engine(answers)
  const started = performance.now()
  expect(await reachableDockerEngine({}, [silent, refusing, alive])).toBe(`unix://${alive}`)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('DOCKER_HOST is the only address asked when it is set', async () => {
  const alive = await engine(answers)
  expect(await reachableDockerEngine({ DOCKER_HOST: `unix://${alive}` }, [])).toBe(`unix://${alive}`)
  expect(await reachableDockerEngine({ DOCKER_HOST: `unix://${folder}/none.sock` }, [alive])).toBeUndefined()
})

test('an engine behind TLS or ssh is believed without a question', async () => {
  expect(await reachableDockerEngine({ DOCKER_HOST: 'ssh://me@there' }, [])).toBe('ssh://me@there')
  const tls = { DOCKER_HOST: 'tcp://there:2376', DOCKER_TLS_VERIFY: '1' }
  expect(await reachableDockerEngine(tls, [])).toBe('tcp://there:2376')
})
