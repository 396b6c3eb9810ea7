/** Accounts of the simulated OnDemand: signing in, tokens that expire, refreshing, and what is refused on the way. */
import { afterAll, beforeEach, expect, test } from 'bun:test'
import type { AccountScript } from '../../src/simulator/ondemand/accounts.ts'
import { startOndemandSimulator } from '../../src/simulator/ondemand.ts'
import {
  askCatalogue,
  askQuery,
  askRefresh,
  askSession,
  askSignIn,
  newSession,
  type Proof,
  signIn,
} from './ondemand-client.ts'

const EMAIL = 'someone@ondemand.invalid'
const PASSWORD = 'pass:word'
const simulator = startOndemandSimulator({})
afterAll(simulator.stop)
beforeEach(() => simulator.reset())

function set(script: Omit<AccountScript, 'password'>): void {
  simulator.setAccount(EMAIL, { password: PASSWORD, ...script })
}

function claimsOf(token: string): { exp: number; iat: number } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

async function sessionStatuses(proof: Proof, count: number): Promise<number[]> {
  const statuses: number[] = []
  for (let index = 0; index < count; index += 1) statuses.push((await askSession(simulator, proof)).status)
  return statuses
}

async function errorOf(response: Response): Promise<readonly [number, unknown]> {
  return [response.status, ((await response.json()) as { readonly message: unknown }).message]
}

test('a sign-in gives token, refresh token, user and company', async () => {
  set({ userId: 'u-1', companyId: 'c-1' })
  const response = await askSignIn(simulator, EMAIL, PASSWORD)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({
    data: {
      tokenData: { token: expect.stringMatching(/^ey[\w-]+\.[\w-]+\.[\w-]+$/), refreshToken: expect.any(String) },
      user: { userId: 'u-1', default_company_id: 'c-1' },
    },
  })
  expect(simulator.accountFacts(EMAIL)).toMatchObject({ signIns: 1, rejectedSignIns: 0 })
  expect(simulator.requestsOf('sign_in').map(({ credential }) => credential)).toEqual([EMAIL])
})

test('a token looks like a JSON web token whose end can be read, and may claim another than the true one', async () => {
  const nowSeconds = Date.now() / 1_000
  set({ token: { lifetimeMs: 600_000 } })
  expect(claimsOf((await signIn(simulator, EMAIL, PASSWORD)).token).exp - nowSeconds).toBeCloseTo(600, -1)
  set({ token: { claimedLifetimeMs: 30_000 } })
  expect(claimsOf((await signIn(simulator, EMAIL, PASSWORD)).token).exp - nowSeconds).toBeCloseTo(30, -1)
  set({ token: { form: 'opaque' } })
  expect((await signIn(simulator, EMAIL, PASSWORD)).token).not.toContain('.')
})

test('a wrong password, an unknown account, no proof and no account type are refused', async () => {
  set({})
  expect((await askSignIn(simulator, EMAIL, 'wrong')).status).toBe(401)
  expect((await askSignIn(simulator, 'nobody@ondemand.invalid', PASSWORD)).status).toBe(401)
  const url = `${simulator.authBaseUrl}/auth/user/signin`
  expect(await errorOf(await fetch(url, { method: 'POST', body: '{}' }))).toEqual([401, 'No Authorization header'])
  const authorization = `Basic ${btoa(`${EMAIL}:${PASSWORD}`)}`
  expect((await fetch(url, { method: 'POST', headers: { authorization }, body: '{}' })).status).toBe(400)
  expect(simulator.accountFacts(EMAIL)).toMatchObject({ signIns: 2, rejectedSignIns: 1 })
  expect(simulator.requests[0]?.treatment).toBe('wrong password')
})

test('a locked account, a sign-in that fails for some time, one that is limited, one that is slow', async () => {
  set({ signIn: { kind: 'locked' } })
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(403)
  set({ signIn: { kind: 'locked', status: 423 } })
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(423)
  expect(simulator.accountFacts(EMAIL)).toMatchObject({ signIns: 2, rejectedSignIns: 2 })
  set({ signIn: { kind: 'server_error', status: 502, times: 1 } })
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(502)
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(200)
  set({ signIn: { kind: 'rate_limited' } })
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(429)
  set({ signIn: { kind: 'good', headDelayMs: 80 } })
  const startedAtMs = performance.now()
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(200)
  expect(performance.now() - startedAtMs).toBeGreaterThan(70)
})

test.each(['token', 'refreshToken', 'userId', 'companyId'] as const)('a sign-in may lack the %s', async (missing) => {
  set({ missing: [missing] })
  const { data } = (await (await askSignIn(simulator, EMAIL, PASSWORD)).json()) as {
    data: { tokenData: object; user: object }
  }
  const names = [...Object.keys(data.tokenData), ...Object.keys(data.user)]
  expect(names).not.toContain(missing === 'companyId' ? 'default_company_id' : missing)
  expect(names).toHaveLength(4)
})

test('calls without a header, without a token or with a wrong one are told so', async () => {
  set({})
  const url = `${simulator.accountChatBaseUrl}/sessions`
  const ask = async (headers: Proof) => errorOf(await fetch(url, { method: 'POST', headers, body: '{}' }))
  expect(await ask({})).toEqual([401, 'No Authorization header'])
  expect(await ask({ apikey: 'a key' })).toEqual([401, 'No Authorization header'])
  expect(await ask({ authorization: 'Bearer' })).toEqual([401, 'Token missing from Bearer'])
  expect(await ask({ authorization: 'Bearer nothing' })).toEqual([401, 'Invalid Token'])
})

test('the company is wanted with every call, the user with new sessions', async () => {
  set({})
  const { proof } = await signIn(simulator, EMAIL, PASSWORD)
  const sessionId = await newSession(simulator, proof)
  const without = (name: string): Proof => Object.fromEntries(Object.entries(proof).filter(([each]) => each !== name))
  expect((await askSession(simulator, without('x-user-id'))).status).toBe(400)
  expect((await askSession(simulator, { ...proof, 'x-company-id': 'other' })).status).toBe(400)
  expect((await askQuery(simulator, { proof: without('x-user-id'), sessionId })).status).toBe(200)
  expect((await askQuery(simulator, { proof: without('x-company-id'), sessionId })).status).toBe(400)
})

test('a token expires after so many uses, on sessions and on queries alike, and can be refreshed', async () => {
  set({ token: { uses: 2 } })
  const first = await signIn(simulator, EMAIL, PASSWORD)
  const sessionId = await newSession(simulator, first.proof)
  expect((await askQuery(simulator, { proof: first.proof, sessionId })).status).toBe(200)
  expect(await errorOf(await askQuery(simulator, { proof: first.proof, sessionId }))).toEqual([401, 'Invalid Token'])
  expect(await errorOf(await askSession(simulator, first.proof))).toEqual([401, 'Invalid Token'])
  expect(simulator.requests.at(-1)).toMatchObject({ treatment: 'expired token', credential: EMAIL })
  const refreshed = await askRefresh(simulator, first.token, first.refreshToken)
  expect(refreshed.status).toBe(200)
  const { data } = (await refreshed.json()) as { data: { token: string; refreshToken: string } }
  expect(data.refreshToken).not.toBe(first.refreshToken)
  const proof = { ...first.proof, authorization: `Bearer ${data.token}` }
  expect((await askQuery(simulator, { proof, sessionId })).status).toBe(200)
  expect(simulator.accountFacts(EMAIL)).toMatchObject({ signIns: 1, refreshes: 1, rejectedRefreshes: 0 })
  expect(simulator.requestsOf('refresh').map(({ credential }) => credential)).toEqual([EMAIL])
})

test('a token expires after some time, or when it is told to', async () => {
  set({ token: { lifetimeMs: 300 } })
  const { proof } = await signIn(simulator, EMAIL, PASSWORD)
  expect(await sessionStatuses(proof, 1)).toEqual([201])
  await Bun.sleep(310)
  expect(await sessionStatuses(proof, 1)).toEqual([401])
  set({})
  const lasting = await signIn(simulator, EMAIL, PASSWORD)
  expect(await sessionStatuses(lasting.proof, 1)).toEqual([201])
  simulator.expireTokens(EMAIL)
  expect(await sessionStatuses(lasting.proof, 1)).toEqual([401])
  expect((await askRefresh(simulator, lasting.token, lasting.refreshToken)).status).toBe(200)
})

test('a refresh may give no new refresh token, and the old one stays good', async () => {
  set({ token: { isRefreshTokenKept: true } })
  const first = await signIn(simulator, EMAIL, PASSWORD)
  const once = (await (await askRefresh(simulator, first.token, first.refreshToken)).json()) as {
    data: { token: string; refreshToken?: string }
  }
  expect(once.data.refreshToken).toBeUndefined()
  expect((await askRefresh(simulator, once.data.token, first.refreshToken)).status).toBe(200)
})

test('a spent or foreign refresh token is refused, and a refresh may fail', async () => {
  set({})
  const first = await signIn(simulator, EMAIL, PASSWORD)
  expect((await askRefresh(simulator, first.token, 'other')).status).toBe(401)
  expect((await askRefresh(simulator, first.token, first.refreshToken)).status).toBe(200)
  expect((await askRefresh(simulator, first.token, first.refreshToken)).status).toBe(401)
  expect((await askRefresh(simulator, 'nothing', 'nothing')).status).toBe(401)
  set({ refresh: { kind: 'revoked' } })
  const second = await signIn(simulator, EMAIL, PASSWORD)
  expect((await askRefresh(simulator, second.token, second.refreshToken)).status).toBe(401)
  set({ refresh: { kind: 'server_error', times: 1 } })
  expect((await askRefresh(simulator, second.token, second.refreshToken)).status).toBe(500)
  expect((await askRefresh(simulator, second.token, second.refreshToken)).status).toBe(200)
  expect(simulator.accountFacts(EMAIL)).toMatchObject({ refreshes: 6, rejectedRefreshes: 3 })
})

test('a new token may end the earlier ones', async () => {
  set({ token: { isOneAtATime: true } })
  const [first, second] = [await signIn(simulator, EMAIL, PASSWORD), await signIn(simulator, EMAIL, PASSWORD)]
  expect([...(await sessionStatuses(first.proof, 1)), ...(await sessionStatuses(second.proof, 1))]).toEqual([401, 201])
  set({})
  const [third, fourth] = [await signIn(simulator, EMAIL, PASSWORD), await signIn(simulator, EMAIL, PASSWORD)]
  expect([...(await sessionStatuses(third.proof, 1)), ...(await sessionStatuses(fourth.proof, 1))]).toEqual([201, 201])
})

test('calls by account have behaviours too, and a token that was issued stays good when they change', async () => {
  set({})
  const { proof } = await signIn(simulator, EMAIL, PASSWORD)
  simulator.setBehaviour(EMAIL, { kind: 'stray', status: 401, times: 1 })
  expect(await sessionStatuses(proof, 2)).toEqual([401, 201])
  simulator.setBehaviour(EMAIL, { kind: 'revoked' })
  expect(await errorOf(await askSession(simulator, proof))).toEqual([401, 'Invalid Token'])
  simulator.removeCredential(EMAIL)
  expect((await askSignIn(simulator, EMAIL, PASSWORD)).status).toBe(401)
})

test('the catalogue takes no token, unless it is opened to them', async () => {
  set({})
  const { proof } = await signIn(simulator, EMAIL, PASSWORD)
  expect((await askCatalogue(simulator, proof)).status).toBe(401)
  const open = startOndemandSimulator({ accounts: { [EMAIL]: { password: 'p' } }, isCatalogueOpenToTokens: true })
  const signedIn = await signIn(open, EMAIL, 'p')
  expect((await askCatalogue(open, signedIn.proof)).status).toBe(200)
  open.stop()
})
