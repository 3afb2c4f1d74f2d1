import { describe, expect, test } from 'vitest'
import { Troubles } from '../../../../src/source/kafka/troubles.ts'
import { EventBus, type JobEvents } from '../../../../src/telemetry/events.ts'

function watched() {
  const events = new EventBus<JobEvents>()
  const said: string[] = []
  events.on('retrying', ({ error, attempt, delayMs }) => said.push(`${attempt} ${error.message} ${delayMs}`))
  events.on('recovered', ({ what }) => said.push(`${what} recovered`))
  const troubles = new Troubles(events, { fraction: () => 1, uuid: () => '' })
  return { troubles, said }
}

describe('Troubles', () => {
  test('delays double up to a limit while the trouble lasts, and begin anew after it', () => {
    const { troubles, said } = watched()
    for (let i = 0; i < 8; i++) {
      troubles.report('node 1', new Error('down'))
      troubles.nextDelayMs()
    }
    troubles.recovered('node 1')
    troubles.report('node 1', new Error('again'))
    troubles.nextDelayMs()
    expect(said).toEqual([
      '1 down 50',
      '2 down 100',
      '3 down 200',
      '4 down 400',
      '5 down 800',
      '6 down 1600',
      '7 down 2000',
      '8 down 2000',
      'source recovered',
      '1 again 50',
    ])
  })

  test('only when nothing is left of several troubles are they over', () => {
    const { troubles, said } = watched()
    troubles.report('node 1', new Error('one'))
    troubles.report('t/0', new Error('two'))
    troubles.nextDelayMs()
    troubles.recovered('node 1')
    expect(said).toEqual(['1 two 50'])
    troubles.recovered('t/0')
    troubles.recovered('t/0')
    expect(said).toEqual(['1 two 50', 'source recovered'])
  })

  test('a trouble that is over before it was looked at is not announced', () => {
    const { troubles, said } = watched()
    troubles.report('t/0', new Error('short'))
    expect(troubles.unhandled).toBe(true)
    troubles.recovered('t/0')
    expect(troubles.unhandled).toBe(false)
    expect(said).toEqual([])
  })
})
