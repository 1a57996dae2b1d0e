import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { channels } from '../../internal/domain/notification.ts'
import { eventually } from '../../internal/testkit/eventually.ts'
import { problemOf } from './harness/client.ts'
import { profiles } from './harness/profiles.ts'
import { freshNumber, plain, plainItems, untilStatus } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

describe.each(profiles)('notifications over HTTP ($name)', (profile) => {
  const world = useWorld(profile)
  const unknownId = '01890a5d-ac96-774b-bcce-b302099a8057'

  it('accepts, delivers at the first attempt, and shows the attempt', async () => {
    const recipient = freshNumber()
    const startedMs = performance.now()
    const answer = await world.client.post(
      '/v1/notifications',
      plain({ recipient, priority: 'high', tags: ['a', 'b'] }),
    )
    expect(answer.status).toBe(202)
    expect(answer.json).toMatchObject({
      status: 'QUEUED',
      channel: 'SMS',
      priority: 'HIGH',
      recipient,
      attemptCount: 0,
    })
    const location = answer.header('location') ?? ''
    const sent = await untilStatus(world.client, location.split('/').at(-1) ?? '', 'SENT')
    console.log(`${profile.name}: accepted and SENT within ${Math.round(performance.now() - startedMs)} ms`)
    expect(sent).toMatchObject({ attemptCount: 1, generation: 0, outcomeUnknown: false, tags: ['a', 'b'] })
    expect(sent.attempts).toMatchObject([{ number: 1, outcome: 'ok', statusCode: 200, late: false }])
    expect(sent.providerMessageId).toBeDefined()
    expect(sent.nextRetryAt).toBeUndefined()
    expect(world.deliveriesOf(sent.id)).toMatchObject([
      { to: recipient, channel: 'sms', content: 'Hello', key: `${sent.id}:0`, correlationId: sent.correlationId },
    ])
  })

  it('carries the request id on as correlation id, up to the provider', async () => {
    const correlationId = randomUUID()
    const answer = await world.client.post('/v1/notifications', plain(), { 'x-request-id': correlationId })
    expect(answer.header('x-request-id')).toBe(correlationId)
    const { data } = await world.client.list({ correlationId })
    expect(data).toHaveLength(1)
    const sent = await untilStatus(world.client, data[0]?.id ?? '', 'SENT')
    expect(world.deliveriesOf(sent.id)).toMatchObject([{ correlationId }])
  })

  it('answers a batch in the order given, and its status follows delivery', async () => {
    const items = Array.from({ length: 30 }, (_, index) =>
      plain({ channel: channels[index % channels.length], content: `no ${index}` }),
    )
    const [later, refused] = [{ scheduledAt: '2099-01-01T00:00:00Z' }, { content: '[sink 400]' }]
    const batch = await world.client.createBatch([...items, plain(later), plain(refused)])
    expect(batch).toMatchObject({ status: 'PROCESSING', totalCount: 32 })
    expect(batch.notifications.slice(0, 30).map(({ content }) => content)).toEqual(items.map(({ content }) => content))
    const batchId = batch.batchId ?? ''
    await eventually(async () => {
      const { status, totalCount, counts } = await world.client.getBatch(batchId)
      expect({ status, totalCount }).toEqual({ status: 'PROCESSING', totalCount: 32 })
      expect(counts.toSorted((a, b) => b.count - a.count || a.status.localeCompare(b.status))).toEqual([
        { status: 'SENT', count: 30 },
        { status: 'ACCEPTED', count: 1 },
        { status: 'FAILED', count: 1 },
      ])
    })
    expect((await world.client.cancel(batch.notifications[30]?.id ?? '')).status).toBe(200)
    expect((await world.client.getBatch(batchId)).status).toBe('PARTIAL_FAILURE')
  })

  it('calls a batch COMPLETED once everything is sent', async () => {
    const { batchId = '' } = await world.client.createBatch(plainItems(3))
    await eventually(async () => expect((await world.client.getBatch(batchId)).status).toBe('COMPLETED'))
    expect((await world.client.send('GET', `/v1/batches/${unknownId}`)).status).toBe(404)
  })

  it('stores a repeated request once, says that it is a repeat, and refuses another body', async () => {
    const item = plain({ idempotencyKey: randomUUID() })
    const first = await world.client.create(item)
    const repeat = await world.client.post('/v1/notifications', { ...item, content: ' Hello ', correlationId: 'other' })
    expect(repeat.status).toBe(202)
    expect(repeat.header('idempotency-replayed')).toBe('true')
    expect(repeat.json).toMatchObject({ id: first.id, duplicate: true })
    const other = await world.client.post('/v1/notifications', { ...item, content: 'Another text' })
    expect(other.status).toBe(422)
    expect(problemOf(other)).toMatchObject({ code: 'key_reused', errors: [{ path: 'idempotencyKey' }] })
    await untilStatus(world.client, first.id, 'SENT')
    expect(world.deliveriesOf(first.id)).toHaveLength(1)
  })

  it('lets one of twenty racing requests with one key win, and tells the others its id', async () => {
    const [item, key] = [plain(), randomUUID()]
    const racing = Array.from({ length: 20 }, () => world.client.create(item, { 'idempotency-key': key }))
    const answers = await Promise.all(racing)
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect(answers.filter(({ duplicate }) => duplicate === undefined)).toHaveLength(1)
    const sent = await untilStatus(world.client, answers[0]?.id ?? '', 'SENT')
    expect(sent.idempotencyKey).toBe(key)
    expect(world.deliveriesOf(sent.id)).toHaveLength(1)
  })

  it('refuses a whole batch for one reused key, names it, and stores nothing', async () => {
    const used = plain({ idempotencyKey: randomUUID() })
    await world.client.create(used)
    const fresh = plain({ idempotencyKey: randomUUID() })
    const notifications = [fresh, { ...used, content: 'Another text' }, plain()]
    const answer = await world.client.post('/v1/notifications/batch', { notifications })
    expect(answer.status).toBe(422)
    expect(problemOf(answer)).toMatchObject({ errors: [{ path: 'notifications[1].idempotencyKey' }] })
    expect(await world.client.total({ recipient: fresh.recipient })).toBe(0)
    expect(await world.client.create(fresh)).toMatchObject({ recipient: fresh.recipient }) // its key is still free
  })

  it('keeps one row of a key that stands twice in a batch, listed at both places', async () => {
    const item = plain({ idempotencyKey: randomUUID() })
    const { notifications } = await world.client.createBatch([item, plain(), item])
    expect(notifications[2]?.id).toBe(notifications[0]?.id)
    expect(notifications[1]?.id).not.toBe(notifications[0]?.id)
    expect(await world.client.total({ recipient: item.recipient })).toBe(1)
  })

  it('lists by page and by cursor: the same rows, newest first, each once', async () => {
    const tag = randomUUID()
    for (let at = 0; at < 5; at++) await world.client.createBatch(plainItems(5, { tags: [tag] }))
    const byPage: string[] = []
    for (const page of ['1', '2', '3']) {
      const { data, meta } = await world.client.list({ tag, page, pageSize: '10' })
      expect(meta).toEqual({ page: Number(page), pageSize: 10, total: 25 })
      byPage.push(...data.map(({ id }) => id))
    }
    const byCursor: string[] = []
    let cursor: string | null = ''
    let previous: string | null = null
    while (cursor !== null) {
      const { data, meta } = await world.client.list({ tag, limit: '10', cursor })
      byCursor.push(...data.map(({ id }) => id))
      if (!('next' in meta)) throw new Error('expected a page by cursor')
      ;({ next: cursor, prev: previous } = meta)
    }
    expect(new Set(byPage).size).toBe(25)
    expect(byCursor).toEqual(byPage)
    expect(byPage).toEqual(byPage.toSorted().toReversed()) // ids sort by their time
    const back = await world.client.list({ tag, limit: '10', cursor: previous ?? '' })
    expect(back.data.map(({ id }) => id)).toEqual(byPage.slice(10, 20))
  })

  it('filters by everything that it names', async () => {
    const [tag, correlationId] = [randomUUID(), randomUUID()]
    const one = await world.client.create(plain({ channel: 'EMAIL', tags: [tag], correlationId }))
    const batch = await world.client.createBatch([plain({ tags: [tag], scheduledAt: '2099-01-01T00:00:00Z' })])
    const [two] = batch.notifications
    await untilStatus(world.client, one.id, 'SENT')
    const idsOf = async (query: Readonly<Record<string, string>>) =>
      (await world.client.list({ tag, ...query })).data.map(({ id }) => id)
    expect(await idsOf({})).toEqual([two?.id, one.id])
    expect(await idsOf({ status: 'sent' })).toEqual([one.id])
    expect(await idsOf({ channel: 'email' })).toEqual([one.id])
    expect(await idsOf({ correlationId })).toEqual([one.id])
    expect(await idsOf({ recipient: two?.recipient ?? '' })).toEqual([two?.id])
    expect(await idsOf({ batchId: batch.batchId ?? '' })).toEqual([two?.id])
    expect(await idsOf({ from: one.createdAt, to: one.createdAt })).toEqual([one.id])
    expect(await idsOf({ to: '2020-01-01T00:00:00Z' })).toEqual([])
    expect(await idsOf({ status: 'ACCEPTED', limit: '5' })).toEqual([two?.id])
    const turned = await world.client.send('GET', '/v1/notifications?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z')
    expect(turned.status).toBe(400)
    expect((await world.client.send('GET', '/v1/notifications?page=1&limit=5')).status).toBe(400)
  })

  it('cancels what waits, and nothing that was sent', async () => {
    const waiting = await world.client.create(plain({ scheduledAt: '2099-01-01T00:00:00Z' }))
    expect(waiting.status).toBe('ACCEPTED')
    const canceled = await world.client.cancel(waiting.id)
    expect(canceled.status).toBe(200)
    expect(canceled.json).toEqual({ notificationId: waiting.id, status: 'CANCELED' })
    expect((await world.client.get(waiting.id)).status).toBe('CANCELED')
    expect(problemOf(await world.client.cancel(waiting.id))).toMatchObject({ status: 409, code: 'state_conflict' })
    const sent = await untilStatus(world.client, (await world.client.create(plain())).id, 'SENT')
    expect((await world.client.cancel(sent.id)).status).toBe(409)
    expect((await world.client.cancel(unknownId)).status).toBe(404)
    expect(world.deliveriesOf(waiting.id)).toEqual([])
  })

  it('sends what is scheduled when it is due, not before, and hardly later', async () => {
    const dueAtMs = Date.now() + 1_500
    const { id } = await world.client.create(plain({ scheduledAt: new Date(dueAtMs).toISOString() }))
    const before = await world.client.get(id)
    expect(before).toMatchObject({ status: 'ACCEPTED', attemptCount: 0 })
    await untilStatus(world.client, id, 'SENT')
    const [delivery] = world.deliveriesOf(id)
    const lateMs = (delivery?.at ?? Number.NaN) - dueAtMs
    console.log(`${profile.name}: a scheduled notification was late by ${lateMs} ms`)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThanOrEqual(2_000)
    expect(world.deliveriesOf(id)).toHaveLength(1)
  })

  it('sends what was scheduled in the past at once', async () => {
    const created = await world.client.create(plain({ scheduledAt: '2020-01-01T00:00:00Z' }))
    expect(created.status).toBe('QUEUED')
    await untilStatus(world.client, created.id, 'SENT')
  })

  it('shows on /metrics what the database holds', async () => {
    const totals = async (status: string) => world.client.total({ status })
    await eventually(async () => expect((await totals('QUEUED')) + (await totals('SENDING'))).toBe(0))
    const [all, sent, failed] = [await world.client.total(), await totals('SENT'), await totals('FAILED')]
    const figures = await world.client.figures()
    expect(figures.sum('notifications_accepted_total')).toBe(all)
    expect(figures.sum('notifications_sent_total')).toBe(sent)
    expect(figures.sum('notifications_failed_total')).toBe(failed)
    expect(figures.sum('notification_send_duration_seconds_count')).toBe(world.sink.count())
    expect(figures.sum('worker_inflight')).toBe(0)
    expect(sent).toBeGreaterThan(60)
  })
})
