/** Every state of a delivery. `delivering` exists in memory only: an attempt is under way. */
export const DELIVERY_STATES = [
  'pending',
  'delivering',
  'succeeded',
  'retrying',
  'dead',
  'suppressed',
  'canceled',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * State → the states it may become.
 * Why `delivering` is not stored: it would cost one more write per delivery, and after a crash it says no
 * more than `pending` does: the answer is not known, and the delivery is tried again.
 */
export const DELIVERY_MOVES: Readonly<Record<DeliveryState, readonly DeliveryState[]>> = {
  pending: ['delivering', 'dead', 'suppressed', 'canceled'],
  delivering: ['succeeded', 'retrying', 'dead', 'pending'],
  retrying: ['delivering', 'pending', 'dead', 'suppressed', 'canceled'],
  dead: ['pending'],
  succeeded: [],
  suppressed: [],
  canceled: [],
};

/** Whether the table allows the move. */
export const canMove = (from: DeliveryState, to: DeliveryState): boolean => DELIVERY_MOVES[from].includes(to);

/** Whether nothing more happens by itself. */
export const isFinished = (state: DeliveryState): boolean =>
  !DELIVERY_MOVES[state].includes('delivering') && state !== 'delivering';

/** The stored states in which somebody may put a delivery back in line. */
export const RETRYABLE_STATES: readonly DeliveryState[] = DELIVERY_STATES.filter(
  (state) => state !== 'delivering' && canMove(state, 'pending'),
);
