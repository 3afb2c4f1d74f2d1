import { expect, test } from 'vitest'
import type { JobSession } from '../../../src/database/protocol/session.ts'
import { SessionPool } from '../../../src/strategy/session-pool.ts'

/** A session whose copies are numbered, and say what becomes of them. */
function numbered() {
  const said: string[] = []
  let made = 0
  const another = () => {
    const name = `s${made++}`
    return { name, close: () => said.push(`${name} closed`), drop: () => said.push(`${name} dropped`) }
  }
  return { said, session: { another } as unknown as JobSession }
}

const nameOf = (session: JobSession) => (session as unknown as { name: string }).name

/** Something that ends when it is told to. */
function work() {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { end: () => end(), run: (session: JobSession) => ended.then(() => nameOf(session)) }
}

test('no more than so many work at once, and whoever waits comes next, in turn, whatever becomes of those before', async () => {
  const pool = new SessionPool(numbered().session, 2)
  const begun: string[] = []
  const works = Array.from({ length: 4 }, work)
  const done = works.map(({ run }, i) =>
    pool.use((session) => {
      begun.push(`${i} on ${nameOf(session)}`)
      return i === 1 ? Promise.reject(new Error('failed')) : run(session)
    }),
  )
  await expect(done[1]).rejects.toThrow('failed')
  expect(begun).toEqual(['0 on s0', '1 on s1', '2 on s1'])
  works[0]?.end()
  await done[0]
  await Promise.resolve()
  expect(begun).toEqual(['0 on s0', '1 on s1', '2 on s1', '3 on s0'])
  for (const { end } of works) end()
  expect(await Promise.all([done[2], done[3]])).toEqual(['s1', 's0'])
})

test('as long as one is enough, one is used', async () => {
  const pool = new SessionPool(numbered().session, 3)
  const used: string[] = []
  for (let i = 0; i < 3; i += 1) used.push(await pool.use((session) => Promise.resolve(nameOf(session))))
  expect(used).toEqual(['s0', 's0', 's0'])
})

test('closing it closes what is free, and cuts off what is in use', async () => {
  const { session, said } = numbered()
  const pool = new SessionPool(session, 2)
  const busy = work()
  const done = pool.use(busy.run)
  await pool.close()
  expect(said.sort()).toEqual(['s0 dropped', 's1 closed'])
  busy.end()
  await done
})
