/** Every state of a command, a message that somebody asked us to send. */
export const COMMAND_STATES = [
  'accepted',
  'scheduled',
  'deferred',
  'blocked',
  'sending',
  'indeterminate',
  'sent',
  'failed',
  'canceled',
  'expired',
] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

const BEFORE_THE_WIRE = ['deferred', 'blocked', 'sending', 'failed', 'canceled', 'expired'] as const;

/**
 * State → the states it may become.
 * `sending` is committed before the first byte leaves. From there a command comes back to `deferred` only when
 * it provably never reached the provider; when nobody knows, it is `indeterminate`, and only the provider, its
 * callback or a person moves it on.
 */
export const COMMAND_MOVES: Readonly<Record<CommandState, readonly CommandState[]>> = {
  accepted: BEFORE_THE_WIRE,
  scheduled: BEFORE_THE_WIRE,
  deferred: BEFORE_THE_WIRE,
  sending: ['sent', 'failed', 'deferred', 'indeterminate'],
  indeterminate: ['sent', 'failed', 'deferred'],
  blocked: [],
  sent: [],
  failed: [],
  canceled: [],
  expired: [],
};

/** Whether the table allows the move. */
export const canBecome = (from: CommandState, to: CommandState): boolean => COMMAND_MOVES[from].includes(to);

/** Whether nothing more happens to it here. */
export const isEnded = (state: CommandState): boolean => COMMAND_MOVES[state].length === 0;

/** The states from which a state may be reached. */
export const statesBefore = (to: CommandState): readonly CommandState[] =>
  COMMAND_STATES.filter((from) => canBecome(from, to));

/** In these it may have left us. */
export const OPEN_OUTCOME_STATES: readonly CommandState[] = ['sending', 'indeterminate'];
