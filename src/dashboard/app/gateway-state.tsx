/** Version, store, cache and limits of the gateway, in figures, with what can be done about them. */
import { useAction } from './action.ts'
import { ActionSaid } from './action-said.tsx'
import { askJson } from './api.ts'
import { Figure } from './figure.tsx'
import { formatCount, formatShare, formatTime } from './format.ts'
import { Gauge } from './gauge.tsx'
import { type LimitKind, limitKinds, type StateReport } from './state-reports.ts'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: {
    gateway: 'Gateway',
    version: 'Version',
    uptime: 'Up for',
    since: 'since {time}',
    store: 'Statistics',
    sqlite: 'on disk',
    memory: 'in memory',
    save: 'Save statistics now',
    saved: 'Saved',
    problem: 'The statistics cannot be written: {cause}',
    reason: 'They are lost at the end: {cause}',
    swagger: 'API documentation',
    metrics: 'Prometheus metrics',
    cache: 'Answer cache',
    cacheOff: 'Switched off (cache.enabled).',
    hits: 'Hits',
    misses: 'Misses',
    rate: '{share} of lookups',
    shared: 'Joined a call under way',
    entries: 'Kept answers',
    evicted: '{count} pushed out',
    size: 'Memory',
    of: '{used} of {limit}',
    clear: 'Clear the cache',
    cleared: '{count} answers forgotten',
    limits: 'Client limits',
    noLimits: 'No client has limits.',
    allowed: 'Let in',
    refused: 'Refused',
    limited: '{count} clients with limits',
    rpm: 'by requests/min',
    rps: 'by requests/s',
    tpm: 'by tokens/min',
    concurrency: 'by calls at once',
    budget: 'by budget',
  },
  zh: {
    gateway: '网关',
    version: '版本',
    uptime: '运行时长',
    since: '自 {time}',
    store: '统计数据',
    sqlite: '保存在磁盘',
    memory: '仅在内存',
    save: '立即保存统计',
    saved: '已保存',
    problem: '统计无法写入：{cause}',
    reason: '停止后统计将丢失：{cause}',
    swagger: 'API 文档',
    metrics: 'Prometheus 指标',
    cache: '回答缓存',
    cacheOff: '未启用（cache.enabled）。',
    hits: '命中',
    misses: '未命中',
    rate: '命中率 {share}',
    shared: '并入进行中的调用',
    entries: '已缓存回答',
    evicted: '已淘汰 {count} 条',
    size: '内存',
    of: '{used} / {limit}',
    clear: '清空缓存',
    cleared: '已清除 {count} 条回答',
    limits: '客户端限额',
    noLimits: '没有设置限额的客户端。',
    allowed: '放行',
    refused: '拒绝',
    limited: '{count} 个客户端有限额',
    rpm: '因每分钟请求数',
    rps: '因每秒请求数',
    tpm: '因每分钟 Token 数',
    concurrency: '因并发数',
    budget: '因预算',
  },
})

interface GatewayStateProps {
  readonly report: StateReport
  readonly onChange: () => Promise<void>
}

export function GatewayState({ report, onChange }: GatewayStateProps) {
  return (
    <div class="columns">
      <ServerCard report={report} onChange={onChange} />
      <CacheCard report={report} onChange={onChange} />
      <LimitsCard report={report} />
    </div>
  )
}

function ServerCard({ report: { server, store }, onChange }: GatewayStateProps) {
  const saving = useAction()
  return (
    <section class="card" aria-labelledby="gateway">
      <h2 id="gateway">{text('gateway')}</h2>
      <dl class="figures">
        <Figure title={text('version')} value={server.version} />
        <Figure
          title={text('uptime')}
          value={server.uptime}
          note={text('since', { time: formatTime(server.startTime) })}
        />
        <Figure title={text('store')} value={text(store.persistence)} isBad={store.problem !== null} />
      </dl>
      {store.problem !== null && <p class="problem">{text('problem', { cause: store.problem })}</p>}
      {store.reason !== null && <p class="problem">{text('reason', { cause: store.reason })}</p>}
      <p class="bar">
        <button
          type="button"
          disabled={saving.isBusy.value}
          onClick={() =>
            saving.run(async () => {
              await askJson('save_stats', { method: 'POST' })
              await onChange()
              return text('saved')
            })
          }
        >
          {text('save')}
        </button>
        <ActionSaid action={saving} />
        <a href="swagger">{text('swagger')}</a>
        <a href="metrics">{text('metrics')}</a>
      </p>
    </section>
  )
}

function CacheCard({ report: { cache }, onChange }: GatewayStateProps) {
  const clearing = useAction()
  const lookups = cache.hits + cache.misses
  return (
    <section class="card" aria-labelledby="cache">
      <h2 id="cache">{text('cache')}</h2>
      {cache.enabled ? (
        <>
          <dl class="figures">
            <Figure
              title={text('hits')}
              value={formatCount(cache.hits)}
              note={lookups === 0 ? '–' : text('rate', { share: formatShare(cache.hits / lookups) })}
            />
            <Figure title={text('misses')} value={formatCount(cache.misses)} />
            <Figure title={text('shared')} value={formatCount(cache.coalesced)} />
            <Figure
              title={text('entries')}
              value={formatCount(cache.entries)}
              note={text('evicted', { count: formatCount(cache.evictions) })}
            />
          </dl>
          <Gauge
            title={text('size')}
            used={cache.bytes}
            limit={cache.maxBytes}
            numbers={text('of', { used: sizeText(cache.bytes), limit: sizeText(cache.maxBytes) })}
          />
          <p class="bar">
            <button
              type="button"
              disabled={clearing.isBusy.value}
              onClick={() =>
                clearing.run(async () => {
                  const { cleared } = await askJson<{ cleared: number }>('admin/cache/clear', { method: 'POST' })
                  await onChange()
                  return text('cleared', { count: formatCount(cleared) })
                })
              }
            >
              {text('clear')}
            </button>
            <ActionSaid action={clearing} />
          </p>
        </>
      ) : (
        <p class="quiet">{text('cacheOff')}</p>
      )}
    </section>
  )
}

function LimitsCard({ report: { clients_limits } }: Pick<GatewayStateProps, 'report'>) {
  const all = Object.values(clients_limits)
  const refusedBy = (kind: LimitKind) => all.reduce((sum, { refused }) => sum + refused[kind], 0)
  const kinds = limitKinds.filter((kind) => refusedBy(kind) > 0)
  return (
    <section class="card" aria-labelledby="limits">
      <h2 id="limits">{text('limits')}</h2>
      {all.length === 0 ? (
        <p class="quiet">{text('noLimits')}</p>
      ) : (
        <dl class="figures">
          <Figure
            title={text('allowed')}
            value={formatCount(all.reduce((sum, { allowed }) => sum + allowed, 0))}
            note={text('limited', { count: formatCount(all.length) })}
          />
          <Figure
            title={text('refused')}
            value={formatCount(limitKinds.reduce((sum, kind) => sum + refusedBy(kind), 0))}
            note={kinds.map((kind) => `${formatCount(refusedBy(kind))} ${text(kind)}`).join(', ')}
          />
        </dl>
      )}
    </section>
  )
}

/** 393 KiB, 64 MiB. */
function sizeText(bytes: number): string {
  if (bytes < 1024) return `${formatCount(bytes)} B`
  if (bytes < 1024 * 1024) return `${formatCount(Math.round(bytes / 1024))} KiB`
  return `${formatCount(Math.round((bytes / 1024 / 1024) * 10) / 10)} MiB`
}
