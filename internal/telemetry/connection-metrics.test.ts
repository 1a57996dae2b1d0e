import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { ConnectionMetrics } from './connection-metrics.ts'

describe('numbers by connection', () => {
  it('count sends, and show one state at a time', async () => {
    const registry = new Registry()
    const metrics = new ConnectionMetrics(registry)
    metrics.connectionSend('twilio', 'ok')
    metrics.connectionSend('twilio', 'ok')
    metrics.connectionState('twilio', 'open')
    metrics.connectionState('twilio', 'half_open')
    const page = await registry.metrics()
    expect(page).toContain('dispatch_engine_connection_sends_total{connection="twilio",outcome="ok"} 2')
    expect(page).toContain('dispatch_engine_connection_state{connection="twilio",state="open"} 0')
    expect(page).toContain('dispatch_engine_connection_state{connection="twilio",state="half_open"} 1')
  })

  it('have no more labels than 200 connections and the rest', async () => {
    const registry = new Registry()
    const metrics = new ConnectionMetrics(registry)
    for (let at = 0; at < 300; at++) {
      metrics.connectionSend(`c${at}`, 'ok')
      metrics.connectionState(`c${at}`, 'open')
    }
    const page = await registry.metrics()
    expect(page.match(/sends_total\{/g)).toHaveLength(201)
    expect(page.match(/state="open"\}/g)).toHaveLength(200)
    expect(page).toContain('dispatch_engine_connection_sends_total{connection="other",outcome="ok"} 100')
  })
})
