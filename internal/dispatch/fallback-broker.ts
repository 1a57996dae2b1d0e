import type { Broker, ConsumeOptions, Consumption, Envelope, PublishResult } from '../port/broker.ts'

/**
 * Degraded dispatch: what the broker does not confirm goes straight to the workers of this process, if it has any. So
 * an outage of RabbitMQ slows dispatch but does not stop it: accepted rows go on at once, and due ones as the scan
 * releases them, under the same permits and leases. A message may have reached both ways; the claim lets one copy win.
 * @param local bounded; what it cannot take waits in PostgreSQL for the scan.
 */
export function withFallback(broker: Broker, local: Broker): Broker {
  return {
    async publish(envelope: Envelope): Promise<PublishResult> {
      const result = await broker.publish(envelope)
      if (result === 'unconfirmed') await local.publish(envelope)
      return result
    },
    consume(options: ConsumeOptions): Consumption {
      const consumptions = [broker.consume(options), local.consume(options)]
      return {
        async stop() {
          await Promise.all(consumptions.map((one) => one.stop()))
        },
      }
    },
  }
}
