import type { Delivery } from '../../webhooks/delivery.ts'
import type { DeliveryView } from '../schemas/responses.ts'
import { viewTime } from './verification.ts'

/** The public JSON of a delivery. */
export function viewDelivery (delivery: Delivery): DeliveryView {
  const { id, webhookId, type, verificationId, url, status, tries, nextTryAt } = delivery
  return {
    id, webhookId, type, verificationId, url, status,
    tries: tries.map(({ at, ...result }) => ({ at: viewTime(at), ...result })),
    nextTryAt: nextTryAt === null ? null : viewTime(nextTryAt),
  }
}
