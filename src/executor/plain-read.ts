/*
 * Which functions of a job read one field and do nothing else. Asked of the source text, which the language guarantees to
 * be the function's own (Function.prototype.toString, ECMA-262 section 20.2.3.5), and not by calling it: whatever a function
 * does with one value says nothing of what it does with another (`(o) => o.item || 'none'` gives back whatever it is tried
 * with). A text of one of these forms has one meaning only, a read of the first argument's property. Bound functions,
 * proxies and functions of other languages have no such text, and whatever else it is, a comment in it, say, is not
 * recognised; then the function is called for every record, as any other.
 */

const id = '[A-Za-z_$][\\w$]*'
const forms = [
  // (order) => order.item, order => order.item, (order, meta) => order.item
  new RegExp(
    `^(?:\\((?<first>${id})(?:, ?(?!\\k<first>\\))${id})?\\)|(?<bare>${id})) ?=> ?(?:\\k<first>\\k<bare>)\\.(?<name>${id})$`,
  ),
  // (order) => { return order.item }, function (order) { return order.item }
  new RegExp(
    `^(?:\\((?<first>${id})\\) ?=> ?|function ?\\((?<named>${id})\\) ?)\\{\\s*return (?:\\k<first>\\k<named>)\\.(?<name>${id});?\\s*\\}$`,
  ),
  // ({ item }) => item
  new RegExp(`^\\(\\{ ?(?<name>${id}) ?\\}\\) ?=> ?\\k<name>$`),
]

/** The name of the property that `select` reads and gives back; null when it may do anything else. */
export function plainRead(select: unknown): string | null {
  if (typeof select !== 'function') return null
  const text = Function.prototype.toString.call(select)
  if (text.length > 200) return null
  for (const form of forms) {
    const name = form.exec(text)?.groups?.name
    if (name !== undefined) return name
  }
  return null
}
