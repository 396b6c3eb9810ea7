/** Why a credential is out, in words. */
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    invalid_credential: 'Refused by the upstream',
    not_allowed: 'May not do this',
    model_unavailable: 'Model not available',
    quota_exhausted: 'Quota used up',
    rate_limited: 'Rate limited',
    server_error: 'Upstream failed',
    timeout: 'Upstream too slow',
    unreachable: 'Upstream unreachable',
    proxy_failed: 'Proxy failed',
    paused: 'Paused by an operator',
  },
  zh: {
    invalid_credential: '被上游拒绝',
    not_allowed: '无权限',
    model_unavailable: '模型不可用',
    quota_exhausted: '额度已用尽',
    rate_limited: '触发限流',
    server_error: '上游出错',
    timeout: '上游超时',
    unreachable: '上游无法连接',
    proxy_failed: '代理出错',
    paused: '由管理员暂停',
  },
})

type Reason = Parameters<typeof text>[0]
const known: ReadonlySet<string> = new Set<Reason>([
  'invalid_credential',
  'not_allowed',
  'model_unavailable',
  'quota_exhausted',
  'rate_limited',
  'server_error',
  'timeout',
  'unreachable',
  'proxy_failed',
  'paused',
])

/** One that is not known yet is shown in the gateway's word. */
export function reasonText(reason: string): string {
  return known.has(reason) ? text(reason as Reason) : reason
}
