import type { ContractWorld } from '../contract-world.ts'

const RECORDS = 100

/**
 * One job is given every strategy after every other one: lives that end by SIGKILL, a walk over all ordered pairs.
 * @param strategies URLs of their modules
 */
export async function exchangeStrategies(world: ContractWorld, strategies: readonly string[]): Promise<void> {
  const points = new Map<string, string[]>()
  for (const strategy of strategies) {
    await world.produce(2 * RECORDS)
    const scout = await world.drain(strategy)
    points.set(strategy, pointsOf(scout.told))
    await world.check('after a life that nothing has happened to')
  }
  for (const [strategy, own] of points) points.set(strategy, ownFirst(own, [...points.values()]))
  for (const strategy of walkOfPairs(strategies)) {
    await world.produce(RECORDS)
    // Another point every time.
    const [point = '', ...rest] = points.get(strategy) ?? []
    points.set(strategy, [...rest, point])
    const process = world.run({ strategy, once: true, fault: { point, visit: 1, signal: 'SIGKILL' } })
    await process.endsWith('SIGKILL')
    await world.check(`after it was killed at ${point} with ${strategy}`)
  }
  await world.drain(strategies[0] as string)
  await world.checkComplete('after the last life')
}

function pointsOf(told: readonly { readonly say: string; readonly point?: string }[]): string[] {
  return told.flatMap(({ say, point }) => (say === 'point' && point !== undefined ? point : []))
}

/** Points that not every strategy comes by first, then those inside the transaction, from its end. */
function ownFirst(points: readonly string[], all: readonly (readonly string[])[]): string[] {
  const isOwn = (point: string) => !all.every((others) => others.includes(point))
  const within = points.filter((point) => point.startsWith('transaction.') && !isOwn(point)).reverse()
  return [...points.filter(isOwn), ...within]
}

/**
 * A walk in which every one follows every other one exactly once: an Eulerian circuit of the complete directed graph,
 * found by Hierholzer's algorithm. It ends where it begins.
 */
export function walkOfPairs<T>(nodes: readonly T[]): T[] {
  const open = new Map(nodes.map((node) => [node, nodes.filter((other) => other !== node)]))
  const walk: T[] = []
  const path = nodes.slice(0, 1)
  while (path.length > 0) {
    const node = path.at(-1) as T
    const next = open.get(node)?.pop()
    if (next === undefined) walk.push(path.pop() as T)
    else path.push(next)
  }
  return walk.reverse()
}
