import { asError, invariant, OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { joinRowTexts } from '../model/row-text.ts'
import type { Terminal } from '../pipeline/plan.ts'
import { keyTypeOf } from './group-key.ts'
import type { Group, PartialResult, RowOrigin } from './partial-result.ts'

type Kind<K extends PartialResult['kind']> = Extract<PartialResult, { kind: K }>
type AggregateTerminal = Extract<Terminal, { kind: 'aggregate' }>
type ReduceTerminal = Extract<Terminal, { kind: 'reduce' }>

/**
 * Merges one pipeline's partial results, in the order given (partition order).
 *
 * Groups and rows of the inputs are never changed, and the result may share them: treat it as read-only too. Values of
 * a `reduce` are consumed, because its `merge` may change and return its first argument: collect them once. (A batch
 * that did not commit is computed again from the positions in SQL, never collected again.)
 *
 * @throws OncesinkError JOB_FUNCTION_FAILED when states cannot be merged
 */
export function collectPartials(terminal: Terminal, partials: readonly PartialResult[]): PartialResult {
  switch (terminal.kind) {
    case 'aggregate':
      return collectGroups(terminal, partials)
    case 'reduce':
      return collectReduced(terminal, partials)
    case 'rows':
      if (partials[0]?.kind === 'latest') return collectLatest(partials)
      return partials[0]?.kind === 'row text' ? collectRowTexts(partials) : collectRows(partials)
  }
}

function collectGroups(terminal: AggregateTerminal, partials: readonly PartialResult[]): PartialResult {
  const inputs = partials
    .map((partial) => expectKind(partial, 'groups'))
    .filter(({ groups }) => groups.size > 0)
  const [first, ...rest] = inputs
  if (!first) return { kind: 'groups', groups: new Map() }
  if (rest.length === 0) return first
  assertSameKeyTypes(
    terminal.keys,
    inputs.flatMap(({ groups }) => groups.values().next().value ?? []),
  )
  const merged = new Map(first.groups)
  for (const { groups } of rest) {
    for (const [text, group] of groups) {
      const earlier = merged.get(text)
      merged.set(text, earlier ? mergeGroups(terminal, earlier, group) : group)
    }
  }
  return { kind: 'groups', groups: merged }
}

function mergeGroups(terminal: AggregateTerminal, a: Group, b: Group): Group {
  const states = terminal.aggregates.map(({ name, fn }, i) => {
    try {
      return fn.merge(a.states[i], b.states[i])
    } catch (error) {
      const keys = a.keys.map(describeValue).join(', ')
      throw failed(`aggregate '${name}' of group (${keys}) cannot be merged over partitions`, error, true)
    }
  })
  return { keys: a.keys, states }
}

/** Inside one partial result all keys have the same types: one sample of each is enough. */
function assertSameKeyTypes(
  keys: readonly { readonly name: string }[],
  samples: readonly { readonly keys: readonly unknown[] }[],
): void {
  for (const [i, { name }] of keys.entries()) {
    const types = new Set(samples.flatMap((group) => group.keys.slice(i, i + 1).map(keyTypeOf)))
    if (types.size <= 1) continue
    throw new OncesinkError(
      'JOB_FUNCTION_FAILED',
      `key '${name}' is a ${[...types].join(' in one partition and a ')} in another. The database may take both for ` +
        'the same key: convert them to one type.',
    )
  }
}

function collectReduced(terminal: ReduceTerminal, partials: readonly PartialResult[]): PartialResult {
  const [first, ...rest] = partials.map((partial) => expectKind(partial, 'reduced'))
  try {
    if (!first) return { kind: 'reduced', value: terminal.zero() }
    return { kind: 'reduced', value: rest.reduce((a, b) => terminal.merge(a, b.value), first.value) }
  } catch (error) {
    throw failed(`'merge' of reduce threw`, error)
  }
}

/** Of one key the partition that comes last has its say. */
function collectLatest(partials: readonly PartialResult[]): PartialResult {
  const inputs = partials.map((partial) => expectKind(partial, 'latest'))
  const names = inputs[0]?.names ?? []
  assertSameKeyTypes(
    names.map((name) => ({ name })),
    inputs.flatMap(({ latest }) => latest.values().next().value ?? []),
  )
  if (inputs.length === 1 && inputs[0]) return inputs[0]
  return { kind: 'latest', names, latest: new Map(inputs.flatMap(({ latest }) => [...latest])) }
}

function collectRows(partials: readonly PartialResult[]): PartialResult {
  const inputs = partials.map((partial) => expectKind(partial, 'rows'))
  const [first, ...rest] = inputs
  if (first && rest.length === 0) return first
  const origins = inputs.some((input) => input.metas !== null)
  return {
    kind: 'rows',
    // By far faster than flatMap; rows that are arrays stay what they are.
    rows: ([] as unknown[]).concat(...inputs.map((input) => input.rows)),
    metas: origins ? ([] as RowOrigin[]).concat(...inputs.map((input) => input.metas ?? [])) : null,
  }
}

/** A job's tasks all write text, or none does. */
function collectRowTexts(partials: readonly PartialResult[]): PartialResult {
  const inputs = partials.map((partial) => expectKind(partial, 'row text'))
  return { ...(inputs[0] as Kind<'row text'>), text: joinRowTexts(inputs.map(({ text }) => text)) }
}

function expectKind<K extends PartialResult['kind']>(partial: PartialResult, kind: K): Kind<K> {
  invariant(partial.kind === kind, `a partial result of kind ${partial.kind} came where ${kind} was expected`)
  return partial as Kind<K>
}

function failed(what: string, cause: unknown, ofBatch = false): OncesinkError {
  return new OncesinkError('JOB_FUNCTION_FAILED', `${what}: ${asError(cause).message}`, { cause, ofBatch })
}
