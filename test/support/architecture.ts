import { posix } from 'node:path'
import ts from 'typescript'
import type { ArchitectureRules } from './architecture-rules.ts'

/** Text of every file by its path below src, with slashes. */
export type SourceFiles = Readonly<Record<string, string>>

interface Import {
  readonly from: string
  /** Path below src, or the name that was written where it is not relative. */
  readonly to: string
  /** `import type`: gone at run time. */
  readonly typeOnly: boolean
  /** `import()`: resolved when it is reached, not while loading. */
  readonly lazy: boolean
}

/** Every breach of the rules, as a sentence; empty when there is none. */
export function violations(files: SourceFiles, rules: ArchitectureRules): string[] {
  const areas = Object.keys(rules.areas)
  const imports = Object.entries(files).flatMap(([path, text]) => importsOf(path, text))
  return [
    ...Object.keys(files)
      .filter((path) => areaOf(path, areas) === undefined)
      .map((path) => `${path}: no row of the rules covers this folder`),
    ...imports.flatMap((edge) => (isPackage(edge) ? packageBreach(edge, rules) : areaBreach(edge, rules))),
    ...cycles(Object.keys(files), imports),
  ]
}

function areaBreach(edge: Import, rules: ArchitectureRules): string[] {
  const from = areaOf(edge.from, Object.keys(rules.areas))
  const to = areaOf(edge.to, Object.keys(rules.areas))
  const rule = from === undefined ? undefined : rules.areas[from]
  if (!rule || to === undefined || from === to) return []
  const covers = (entries: readonly string[] = []) => entries.includes(to) || entries.includes(edge.to)
  if (covers(rule.may)) return []
  if (!covers(rule.types)) return [`${edge.from}: ${from} may not import ${edge.to}`]
  return edge.typeOnly ? [] : [`${edge.from}: ${from} may import only types of ${edge.to}`]
}

function packageBreach(edge: Import, rules: ArchitectureRules): string[] {
  const from = areaOf(edge.from, Object.keys(rules.areas))
  if (from === undefined) return []
  if (edge.to.startsWith('node:')) {
    return rules.areas[from]?.pure ? [`${edge.from}: ${from} is pure and may not import ${edge.to}`] : []
  }
  const name = edge.to.split('/', edge.to.startsWith('@') ? 2 : 1).join('/')
  const rule = rules.packages[name]
  if (rule?.in.includes(from)) return []
  if (!rule?.typesIn?.includes(from)) return [`${edge.from}: ${from} may not import the package ${name}`]
  return edge.typeOnly ? [] : [`${edge.from}: ${from} may import only types of the package ${name}`]
}

/** Circles of imports that would be there while loading; each is named once, from its first file on. */
function cycles(paths: readonly string[], imports: readonly Import[]): string[] {
  const edges = new Map(paths.map((path) => [path, new Set<string>()]))
  for (const { from, to, typeOnly, lazy } of imports) if (!typeOnly && !lazy) edges.get(from)?.add(to)
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]) => {
    const start = way.indexOf(path)
    if (start >= 0) found.push(`import cycle: ${[...way.slice(start), path].join(' -> ')}`)
    if (start >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...way, path])
    done.add(path)
  }
  for (const path of paths) visit(path, [])
  return found
}

/**
 * What is loaded with `path`: files below src and packages by name, itself included. What is imported by `import()` or
 * through `createRequire` comes when it is reached, and is not among them.
 */
export function loadedWith(path: string, files: SourceFiles): ReadonlySet<string> {
  const loaded = new Set<string>()
  const load = (name: string) => {
    if (loaded.has(name)) return
    loaded.add(name)
    for (const { to, typeOnly, lazy } of importsOf(name, files[name] ?? '')) if (!typeOnly && !lazy) load(to)
  }
  load(path)
  return loaded
}

/** The longest area that the path lies in. */
function areaOf(path: string, areas: readonly string[]): string | undefined {
  return areas
    .filter((area) => path === area || path.startsWith(`${area}/`))
    .reduce<string | undefined>(
      (longest, area) => (area.length > (longest?.length ?? 0) ? area : longest),
      undefined,
    )
}

const isPackage = (edge: Import) => edge.to.startsWith('node:') || !edge.to.endsWith('.ts')

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean, lazy: boolean) => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return
    const relative = specifier.text.startsWith('.')
    const to = relative ? posix.join(posix.dirname(path), specifier.text) : specifier.text
    found.push({ from: path, to, typeOnly, lazy })
  }
  const visit = (node: ts.Node): void => {
    // `import { type A }` stays an import at run time (verbatimModuleSyntax): only `import type` does not count.
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword, false)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly, false)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true, false)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, true)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest))
  return found
}
