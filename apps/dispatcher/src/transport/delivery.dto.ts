import { parseId, uuidOfId, type IdPrefix } from '@posthorn/clock/id.js';
import { type Attempt, type Delivery } from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { DELIVERY_STATES, type DeliveryState } from '../domain/delivery-state.js';
import { type AttemptView, type DeliveryView } from '../domain/delivery-view.js';

const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });

/** @throws AppError `tenant.not_found` */
export function tenantUuidOf(id: string): string {
  const uuid = uuidOfId('ten', id);
  if (uuid === undefined) throw new AppError('tenant.not_found');
  return uuid;
}

/** @throws AppError `delivery.not_found` */
export function deliveryUuidOf(id: string): string {
  const uuid = uuidOfId('dlv', id);
  if (uuid === undefined) throw new AppError('delivery.not_found');
  return uuid;
}

/** A filter by ID; undefined without one. @throws AppError `request.invalid` */
export function filterUuidOf(prefix: IdPrefix, id: string, path: string): string | undefined {
  if (id === '') return undefined;
  if (parseId(prefix, id) === undefined) throw invalid(path, `must be a ${prefix}_… ID`);
  return uuidOfId(prefix, id);
}

/** @throws AppError `request.invalid` */
export function filterStateOf(state: string): DeliveryState | undefined {
  if (state === '') return undefined;
  const known = DELIVERY_STATES.find((one) => one === state);
  if (known === undefined) throw invalid('query.state', `must be one of ${DELIVERY_STATES.join(', ')}`);
  return known;
}

/** 0 = no bound. */
export const filterMsOf = (ms: number): number | undefined => (ms === 0 ? undefined : ms);

/** @throws AppError `request.invalid` */
export function limitOf(limit: number, max: number): number {
  if (limit < 1 || limit > max) throw invalid('limit', `must be 1 to ${max}`);
  return limit;
}

/** An attempt as a message. */
export const attemptMessage = (attempt: AttemptView): Attempt => ({ ...attempt });

/** A delivery as a message. */
export const deliveryMessage = (delivery: DeliveryView): Delivery => ({
  ...delivery,
  attempts: delivery.attempts.map(attemptMessage),
});
