import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { endings } from '../../../src/chaos/endings.ts'
import { nemeses } from '../../../src/chaos/nemeses/index.ts'
import { specOptions } from '../../../src/chaos/spec.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'chaos.md'), 'utf8')

describe('docs/chaos.md', () => {
  /** Names in the first column of the tables. */
  const named = [...page.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  )

  test('has a row for every fault and every part of a spec, and for nothing that there is not', () => {
    const known = [...nemeses, ...endings].map(({ name }) => name)
    expect([...named].sort()).toEqual([...known, ...specOptions].sort())
  })
})
