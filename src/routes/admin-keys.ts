/** `/admin/keys`: the client keys. Those of the settings are shown; those kept in the data directory are made and revoked here. */
import { Value, ValueErrorType } from '@sinclair/typebox/value'
import { buildLimits, describeLimits } from '../config/build-limits.ts'
import { createStoredKey, generateKeyName, generateSecret } from '../config/generate-key.ts'
import { type NewKeySettings, newKeySchema } from '../config/schema.ts'
import type { ClientKey } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { StoredKey } from '../stores/store.ts'
import { StoreError } from '../stores/store-error.ts'
import { documentRoute, queryParameter } from './documentation.ts'
import type { OperatorContext, OperatorParts } from './operator.ts'
import { readBody } from './read-body.ts'

type Parts = Pick<OperatorParts, 'gateway' | 'store' | 'log'>

const maxBodyBytes = 64 * 1024

export function listKeys(parts: Parts) {
  return async (): Promise<Response> => {
    const configured = parts.gateway.config().access.clientKeys
    const stored = await storedKeys(parts)
    return Response.json({ keys: [...configured.map(describeConfigured), ...stored.map(describeStored)] })
  }
}

/** The secret is in the answer and nowhere else. */
export function createKey(parts: Parts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const { gateway, store, log } = parts
    const { name = generateKeyName(), models, stateful, ...limits } = readWish(await readBody(request, maxBodyBytes))
    if (gateway.config().access.clientKeys.some((key) => key.name === name)) throw nameTaken(name)
    const secret = generateSecret('client')
    const key = createStoredKey('client', secret, {
      name,
      models: models ?? null,
      limits: buildLimits(limits),
      isStateful: stateful ?? null,
    })
    await store.addKey(key).catch((error: unknown) => {
      throw error instanceof StoreError && error.kind === 'exists' ? nameTaken(name) : error
    })
    await putInForce(parts)
    log.info('client key created', { name, key: key.label })
    return Response.json(
      { ...describeStored(key), key: secret },
      { status: 201, headers: { 'cache-control': 'no-store' } },
    )
  }
}

export function revokeKey(parts: Parts) {
  return async ({ request }: OperatorContext): Promise<Response> => {
    const { gateway, store, log } = parts
    const name = new URL(request.url).searchParams.get('name') ?? ''
    if (name === '')
      throw new GatewayError('missing_name', 'which one? `?name=` takes its name', { status: 400, param: 'name' })
    // By the role too: the admin key is not to be revoked by its name.
    const isStored = (await storedKeys(parts)).some((key) => key.name === name)
    if (!isStored || !(await store.revokeKey(name))) {
      const isConfigured = gateway.config().access.clientKeys.some((key) => key.name === name)
      throw isConfigured ? keptInSettings() : unknownKey()
    }
    await putInForce(parts)
    log.info('client key revoked', { name })
    return Response.json({ name, revoked: true })
  }
}

async function storedKeys({ store }: Parts): Promise<StoredKey[]> {
  return (await store.keys()).filter(({ role }) => role === 'client')
}

async function putInForce({ gateway, store }: Parts): Promise<void> {
  gateway.clientKeys.setStored(await store.keys())
}

function describeConfigured(key: ClientKey) {
  return { ...describeKey(key), source: 'settings', created_at: null }
}

function describeStored(key: StoredKey) {
  return { ...describeKey(key), source: 'data_directory', created_at: new Date(key.createdAt).toISOString() }
}

/** `stateful` null: only while it is the only client key. */
function describeKey({ name, label, models, limits, isStateful }: ClientKey) {
  return { name, label, models, limits: describeLimits(limits), stateful: isStateful }
}

/** Throws GatewayError 400. */
function readWish(body: Uint8Array): NewKeySettings {
  let wish: unknown
  try {
    wish = JSON.parse(new TextDecoder().decode(body))
  } catch {
    throw new GatewayError('invalid_json', 'the body must be JSON such as {"name": "alice", "rpm": 60}', {
      status: 400,
    })
  }
  if (Value.Check(newKeySchema, wish)) return wish
  const fault = Value.Errors(newKeySchema, wish).First()
  const param = fault === undefined || fault.path === '' ? null : fault.path.slice(1).replaceAll('/', '.')
  const isUnknown = fault?.type === ValueErrorType.ObjectAdditionalProperties
  const said = isUnknown ? 'is not known here' : (fault?.schema.errorMessage ?? 'is not valid')
  throw new GatewayError('invalid_key_settings', `${param ?? 'the body'} ${said}`, {
    status: 400,
    ...(param === null ? {} : { param }),
  })
}

function nameTaken(name: string): GatewayError {
  return new GatewayError('key_exists', `a key named ${name} is already there: revoke it or choose another name`, {
    status: 409,
    param: 'name',
  })
}

function keptInSettings(): GatewayError {
  const message = 'this key stands in the settings: take it out of access.client_keys, or of CLIENT_KEYS, there'
  return new GatewayError('key_in_settings', message, { status: 409, param: 'name' })
}

function unknownKey(): GatewayError {
  return new GatewayError('key_not_found', 'no client key has this name', { status: 404, param: 'name' })
}

const exampleKey = {
  name: 'alice',
  label: '5e1d0c77…k3Qa',
  models: ['gpt-*'],
  limits: {
    rpm: 60,
    rps: null,
    burst: null,
    tpm: null,
    max_concurrent: 10,
    budget_usd: 20,
    budget_period: 'month',
  },
  stateful: null,
  source: 'data_directory',
  created_at: '2030-01-01T10:05:01.000Z',
}

export const listKeysDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Client keys',
  description:
    'Those of the settings and those kept in the data directory, never with a secret. A limit that a key leaves out is null; `access.default_limits` may give it one.',
  answer: { description: 'All of them', example: { keys: [exampleKey] } },
})

export const createKeyDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Make a client key',
  description: 'It is valid at once and kept in the data directory as a hash. The secret is shown this once.',
  request: { 'application/json': { schema: newKeySchema, example: { name: 'alice', rpm: 60, budget_usd: 20 } } },
  answer: { description: 'Not used' },
  otherAnswers: {
    201: { description: 'The key', example: { ...exampleKey, key: 'sk-any2api-…' } },
  },
  errors: [400, 409],
})

export const revokeKeyDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Revoke a client key',
  description: 'It is refused from the next call on. A key of the settings is taken out there.',
  parameters: [{ ...queryParameter('name', 'Its name', { type: 'string' }), required: true }],
  answer: { description: 'It is gone', example: { name: 'alice', revoked: true } },
  errors: [400, 404, 409],
})
