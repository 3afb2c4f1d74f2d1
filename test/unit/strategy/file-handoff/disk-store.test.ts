import { rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { computed, handoffBench } from '../../../support/handoff-bench.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

test('folders that are links to another disk are seen; what is no folder of a partition is not', async () => {
  const { directory, store, claim, writer } = await handoffBench()
  await writer.write(computed({ claim: claim(3), from: 0n, until: 4n }))
  const [topic, elsewhere] = [join(directory, 'job', 't'), join(await temporaryFolder(), 't')]
  await rename(topic, elsewhere)
  await symlink(elsewhere, topic)
  await symlink(join(directory, 'nowhere'), join(directory, 'job', 'broken'))
  await writeFile(join(elsewhere, '4'), 'no folder')
  expect(await store.partitions()).toEqual([{ topic: 't', partition: 3 }])
})
