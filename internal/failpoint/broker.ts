import type { Broker, ConsumeOptions, Delivery, Envelope, PublishResult } from '../port/broker.ts'
import { FailpointError, type Failpoints } from './failpoints.ts'

/**
 * Publishes that break on purpose, within the contract that a publish never rejects: a `throw` is an unconfirmed
 * publish. `drop` before: the message is lost although it counts as confirmed. `drop` of the confirm: the message is
 * there although it counts as unconfirmed.
 */
export function failingPublish(broker: Broker, failpoints: Failpoints): Broker {
  return {
    async publish(envelope: Envelope): Promise<PublishResult> {
      const before = await failpoints.pass('publish.before').catch(() => 'failed' as const)
      if (before === 'failed') return 'unconfirmed'
      if (before === 'drop') return 'confirmed'
      const result = await broker.publish(envelope)
      const confirm = await failpoints.pass('publish.confirm').catch(() => 'failed' as const)
      return confirm === 'go on' ? result : 'unconfirmed'
    },
    consume: (options) => broker.consume(options),
  }
}

/**
 * Deliveries that break on purpose. `receive`: `drop` loses the message, `throw` fails in the handler. `ack`: `drop`
 * and `throw` lose the acknowledgement as a lost connection does, so the broker hands the message out again.
 */
export function failingConsume(broker: Broker, failpoints: Failpoints): Broker {
  return {
    publish: (envelope) => broker.publish(envelope),
    consume: (options) => broker.consume(failingOptions(options, failpoints)),
  }
}

function failingOptions(options: ConsumeOptions, failpoints: Failpoints): ConsumeOptions {
  return {
    ...options,
    onDelivery(delivery) {
      const action = failpoints.draw('receive')
      const handOn = () => options.onDelivery(failingAck(delivery, failpoints))
      switch (action?.kind) {
        case undefined:
          return handOn()
        case 'kill':
          return failpoints.kill()
        case 'throw':
          throw new FailpointError('receive')
        case 'drop':
          return delivery.ack()
        case 'delay':
          void failpoints
            .sleep(action.delayMs)
            .then(handOn)
            .catch(() => delivery.requeue())
      }
    },
  }
}

function failingAck(delivery: Delivery, failpoints: Failpoints): Delivery {
  return {
    lane: delivery.lane,
    refs: delivery.refs,
    ack() {
      const action = failpoints.draw('ack')
      if (action === null) delivery.ack()
      else if (action.kind === 'kill') failpoints.kill()
      else if (action.kind === 'delay') void failpoints.sleep(action.delayMs).then(() => delivery.ack())
      else delivery.requeue()
    },
    requeue: () => delivery.requeue(),
  }
}
