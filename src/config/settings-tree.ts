/** Settings before they are checked: trees from several sources, laid over one another, each value knowing its place. */

/** As the operator wrote it: nothing is known of the values. */
export interface SettingsTree {
  [name: string]: unknown
}

export interface Layer {
  readonly tree: SettingsTree
  /** How the operator finds a value of this layer, for messages. Takes the value's JSON pointer. */
  readonly place: (pointer: string) => string
}

export interface MergedSettings {
  readonly tree: SettingsTree
  readonly placeOf: (pointer: string) => string
}

/** Later layers win; objects are merged, lists replaced, except for client keys, which add up. Null means "not set". */
export function mergeLayers(layers: readonly Layer[]): MergedSettings {
  const tree: SettingsTree = {}
  const origins = new Map<string, { readonly layer: Layer; readonly pointer: string }>()

  function lay(target: SettingsTree, source: SettingsTree, under: { layer: Layer; pointer: string }): void {
    const { layer } = under
    for (const [name, value] of Object.entries(source)) {
      const pointer = childPointer(under.pointer, name)
      if (value === null || value === undefined) continue
      if (isTree(value)) {
        const existing = ownValue(target, name)
        const inner = isTree(existing) ? existing : {}
        if (inner !== existing) origins.set(pointer, { layer, pointer })
        define(target, name, inner)
        lay(inner, value, { layer, pointer })
        continue
      }
      const existing = pointer === addedUp ? ownValue(target, name) : undefined
      if (Array.isArray(existing) && Array.isArray(value)) {
        for (const [index, item] of value.entries()) {
          origins.set(childPointer(pointer, String(existing.length)), {
            layer,
            pointer: childPointer(pointer, String(index)),
          })
          existing.push(copy(item))
        }
        continue
      }
      origins.set(pointer, { layer, pointer })
      define(target, name, copy(value))
    }
  }

  for (const layer of layers) lay(tree, layer.tree, { layer, pointer: '' })

  return {
    tree,
    placeOf(pointer) {
      for (let prefix = pointer; prefix !== ''; prefix = parentPointer(prefix)) {
        const origin = origins.get(prefix)
        if (origin) return origin.layer.place(origin.pointer + pointer.slice(prefix.length))
      }
      return showPointer(pointer)
    },
  }
}

const addedUp = '/access/client_keys'

export function isTree(value: unknown): value is SettingsTree {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A tree with one value in it, at `pointer`. */
export function treeOf(pointer: string, value: unknown): SettingsTree {
  const [name = '', ...rest] = pointerNames(pointer)
  if (rest.length === 0) return { [name]: value }
  return { [name]: treeOf(`/${rest.map(escapeName).join('/')}`, value) }
}

export function childPointer(pointer: string, name: string): string {
  return `${pointer}/${escapeName(name)}`
}

export function parentPointer(pointer: string): string {
  return pointer.slice(0, pointer.lastIndexOf('/'))
}

export function pointerNames(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** `/access/client_keys/0/key` → `access.client_keys[0].key` */
export function showPointer(pointer: string): string {
  return pointerNames(pointer).reduce((shown, name) => {
    if (/^\d+$/.test(name)) return `${shown}[${name}]`
    if (!/^[\w-]+$/.test(name)) return `${shown}[${JSON.stringify(name)}]`
    return shown === '' ? name : `${shown}.${name}`
  }, '')
}

/** Replaces the value at `pointer`; `undefined` takes it out. */
export function replaceAt(tree: SettingsTree, pointer: string, value: unknown): void {
  const names = pointerNames(pointer)
  const last = names.at(-1)
  const parent = names.slice(0, -1).reduce<unknown>((at, name) => ownValue(at, name), tree)
  if (last === undefined || typeof parent !== 'object' || parent === null) return
  if (value !== undefined) define(parent, last, value)
  else if (Array.isArray(parent)) define(parent, last, null)
  else Reflect.deleteProperty(parent, last)
}

function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function ownValue(parent: unknown, name: string): unknown {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, name)) return undefined
  return Reflect.get(parent, name)
}

/** Unlike an assignment it makes `__proto__` an ordinary name. */
function define(parent: object, name: string, value: unknown): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true })
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy)
  if (!isTree(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copy(inner)]))
}
