import { type Mutant, simulation, unit } from '../mutant.ts'

/** What the driver makes of batches that fail, and of partitions that come and go. */
export const drivingMutants: readonly Mutant[] = [
  {
    name: 'result of an abandoned batch accepted',
    breaks: 'what was computed under a claim that is void is committed under the next one',
    edits: [
      {
        file: 'src/driver/in-flight.ts',
        find: 'const results = ownership.stillOwned(\n      claims.filter((claim) => !failed.includes(claimKey(claim))),\n      batch.results,\n    )',
        replace: 'const results = batch.results',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'part of what was added up as one committed',
    breaks: 'ranges whose partition was lost are counted with the others that they were added up with',
    edits: [
      {
        file: 'src/driver/in-flight.ts',
        find: 'if (results.length < batch.results.length && !areSeparate(batch.results)) return false',
        replace: '',
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'result of an earlier generation accepted',
    breaks: 'what was taken before a seek is computed and handed out after it',
    edits: [
      {
        file: 'src/executor/inline.ts',
        find: 'computed.filter(({ isStale }) => !isStale())',
        replace: 'computed.filter(() => true)',
      },
    ],
    killedBy: unit('executor/inline.test.ts', 'discards everything when all partitions are sought meanwhile'),
  },
  {
    name: 'bisect loses the tail',
    breaks: 'once the first half of a rejected batch has committed, the second half is skipped',
    edits: [
      {
        file: 'src/executor/inline.ts',
        find: '!isStale()).map(({ result }) => result)\n',
        replace:
          "!isStale()).map(({ result }) => {\n          const end = plan.order === 'sequential' ? plan.until?.get(topicPartitionKey(result.range)) : undefined\n          return { ...result, range: { ...result.range, until: end ?? result.range.until } }\n        })\n",
      },
    ],
    killedBy: simulation(),
  },
  {
    name: 'failed batch not halved',
    breaks: 'one record that the database rejects holds up its batch for ever',
    edits: [
      {
        file: 'src/driver/search.ts',
        find: 'Math.max(1, Math.floor(records / 2))',
        replace: 'Math.max(1, records)',
      },
    ],
    killedBy: unit('driver/planner.test.ts', 'the search for one bad record among n ends at that record'),
  },
  {
    name: 'unknown batch announced as committed',
    breaks: 'listeners are told of batches that the database does not have',
    edits: [
      {
        file: 'src/driver/failed-batch.ts',
        find: 'deps.ownership.claimOf(range)?.nextOffset === range.until)',
        replace: 'deps.ownership.claimOf(range) !== undefined)',
      },
    ],
    killedBy: simulation(),
  },
]
