import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '../../e2e/harness/client.ts'
import { type ConnectionName, plannedRoutes, viaTag } from './plan.ts'

const json = { 'content-type': 'application/json' }
const againMs = 100
const withinMs = 60_000

/** The connection that is kept in the database, and the route to it. @param providersUrl past every link. */
export async function createConnections(
  client: Client,
  providersUrl: string,
  secrets: readonly string[],
): Promise<void> {
  await untilDone(client, 'POST', '/v1/connections', { id: 'hook-api', ...hookApi(providersUrl, secrets) })
  const tiers = plannedRoutes.INCIDENT.map((tier) => ({ connections: tier.map((connection) => ({ connection })) }))
  await untilDone(client, 'PUT', `/v1/routes/INCIDENT?tag=${viaTag}`, { tiers })
}

/** @param secrets it signs with all of them. */
export async function changeSecrets(client: Client, providersUrl: string, secrets: readonly string[]): Promise<void> {
  await untilDone(client, 'PUT', '/v1/connections/hook-api', hookApi(providersUrl, secrets))
}

export async function resume(client: Client, connection: ConnectionName): Promise<void> {
  await untilDone(client, 'POST', `/v1/connections/${connection}/resume`, undefined)
}

/** @returns whether routes leave it out, and why. */
export async function pauseOf(client: Client, connection: ConnectionName): Promise<string | null> {
  const { text } = await untilDone(client, 'GET', `/v1/connections/${connection}`, undefined)
  return /"state":"paused"/.test(text) ? text : null
}

function hookApi(providersUrl: string, secrets: readonly string[]) {
  return { connector: 'webhook@1', config: { url: `${providersUrl}/hook-api`, secrets } }
}

/** An operator who tries again while the API cannot. @throws Error when it refuses, or cannot for too long. */
async function untilDone(client: Client, method: string, path: string, body: unknown) {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const endAtMs = performance.now() + withinMs
  for (;;) {
    const answer = await client.send(method, path, text === undefined ? {} : json, text).catch(() => null)
    if (answer !== null && answer.status < 300) return answer
    const mayPass = answer === null || [429, 503, 504].includes(answer.status)
    if (!mayPass) throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text.slice(0, 300)}`)
    if (performance.now() > endAtMs) throw new Error(`${method} ${path} was not answered in ${withinMs} ms`)
    await delay(againMs)
  }
}
