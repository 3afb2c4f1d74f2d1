import { Buffer } from 'node:buffer'
import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import type { Packing } from '../../src/strategy/file-handoff/gzip-members.ts'
import { HandoffCommits } from '../../src/strategy/file-handoff/handoff-commits.ts'
import type { HandoffStore } from '../../src/strategy/file-handoff/store.ts'
import type { StrategyPlan } from '../../src/strategy/strategy.ts'

interface SimulatedFolder {
  readonly partition: TopicPartition
  readonly files: Map<string, Buffer>
}

/** A directory that outlives the processes which write to it. */
type Folders = Map<string, SimulatedFolder>

/** Time only passes where a disk would take some: a process that crashes there has done it, or has not. */
function storeOf(folders: Folders, { clock, random }: Runtime): HandoffStore {
  const disk = () => clock.sleep(random.fraction() * 3)
  const filesOf = (tp: TopicPartition) => folders.get(topicPartitionKey(tp))?.files
  const folderOf = ({ topic, partition }: TopicPartition) => {
    const key = topicPartitionKey({ topic, partition })
    const folder = folders.get(key) ?? { partition: { topic, partition }, files: new Map<string, Buffer>() }
    folders.set(key, folder)
    return folder.files
  }
  const move = (tp: TopicPartition, name: string, to: string): boolean => {
    const bytes = filesOf(tp)?.get(name)
    if (!bytes) return false
    filesOf(tp)?.delete(name)
    folderOf(tp).set(to, bytes)
    return true
  }
  return {
    prepare: disk,
    partitions: async () => sortedByPartition([...folders.values()].map(({ partition }) => partition)),
    list: async (tp) => {
      await disk()
      return [...(filesOf(tp)?.keys() ?? [])].sort()
    },
    exists: async (tp, name) => filesOf(tp)?.has(name) ?? false,
    read: async (tp, name) => {
      await disk()
      return filesOf(tp)?.get(name) ?? null
    },
    write: async (tp, temporary, name, bytes) => {
      folderOf(tp).set(temporary, Buffer.from(bytes))
      await disk()
      move(tp, temporary, name)
      await disk()
    },
    rename: async (tp, name, to) => {
      await disk()
      const was = move(tp, name, to)
      await disk()
      return was
    },
    remove: async (tp, name) => {
      await disk()
      return filesOf(tp)?.delete(name) ?? false
    },
    changedAtMs: async () => null,
    uniqueName: () => random.uuid(),
    pathOf: (tp, name) => `${topicPartitionKey(tp)}/${name}`,
  }
}

/** Compressing takes threads of Node's own, and so real time. */
const plainLines: Packing = {
  pack: async (lines) => Buffer.from([...lines].join('\n')),
  async *unpack(bytes) {
    yield* bytes.toString().split('\n')
  },
}

/** `fileHandoff()` over a simulated directory, one for all processes that run the job. */
export function simulatedFileHandoff(): StrategyPlan {
  const folders: Folders = new Map()
  const limits = {
    loader: 'inProcess',
    maxFiles: 6,
    maxBytes: 2 ** 20,
    keep: { loadedMs: 0, setAsideMs: 2 ** 40 },
  } as const
  return {
    name: 'fileHandoff',
    create(parts) {
      const store = storeOf(folders, parts.session.runtime)
      const commits = new HandoffCommits(limits, parts, store, plainLines)
      return {
        name: 'fileHandoff',
        unit: 'batch',
        commit: (batch) => commits.commit(batch),
        deferred: commits,
      }
    },
  }
}
