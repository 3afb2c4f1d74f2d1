import { deflateRawSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { decodeRecords } from '../../../../src/source/kafka/decode-records.ts'
import { codecPackage, optionalPackage } from '../../../../src/source/kafka/load-codec.ts'
import { scanRecordBatches } from '../../../../src/source/kafka/record-batch.ts'
import { encodeBatch } from '../../../support/record-batches.ts'

const where = { topic: 't', partition: 0 }

/** As where somebody has bundled the program, and left the packages of codecs out. */
vi.mock('../../../../src/source/kafka/load-codec.ts', async (importActual) => {
  const actual = await importActual<typeof import('../../../../src/source/kafka/load-codec.ts')>()
  const without = (name: string) => `no-such-${name}`
  return {
    codecPackage: (name: string) => actual.codecPackage(without(name)),
    optionalPackage: (name: string) => actual.optionalPackage(without(name)),
  }
})

test('an optional package that is not there is none; one that is needed is named', () => {
  expect(optionalPackage('lz4')()).toBeNull()
  expect(codecPackage('lz4')).toThrow(/no-such-lz4/)
})

test('a batch whose codec cannot be loaded is not called damaged', () => {
  const records = [{ offset: 0, value: 'a' }]
  const bytes = encodeBatch({ records, codec: 2, compress: (b) => deflateRawSync(b) })
  expect(() => decodeRecords(scanRecordBatches(bytes, where), where)).toThrow(
    expect.objectContaining({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringMatching(/package no-such-snappyjs.*cannot be loaded.*install/),
    }),
  )
})
