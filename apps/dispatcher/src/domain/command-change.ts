import { type Command } from './command.js';
import { type CommandState, statesBefore } from './command-state.js';

/** How one time on the wire ended. */
export type AttemptOutcome = 'sending' | 'sent' | 'refused' | 'not_sent' | 'unknown';

/** One time that a command was handed to the provider; `sending` = its row is there, its outcome is not. */
export interface CommandAttempt {
  readonly number: number;
  readonly permitId: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  readonly errorCode: string;
  readonly detail: string;
}

/** What a refusal says of the recipient; for the log. */
export type CommandSignal = '' | 'opt_out' | 'hard_bounce';

/** What becomes of a command. It counts only if the command still is in one of `from`, after as many attempts. */
export interface CommandChange {
  readonly command: Command;
  readonly from: readonly CommandState[];
  /** The same state: only what is planned changes, and nobody is told. */
  readonly to: CommandState;
  /** Attempts before it; part of the condition. */
  readonly attemptsBefore: number;
  /** Attempts after it. */
  readonly attemptCount: number;
  readonly lookupCount: number;
  /** When something is to be done about it again; Infinity = only when somebody says more. */
  readonly dueAtMs: number;
  /** Since when it may have left; undefined = unchanged. */
  readonly sentAtMs: number | undefined;
  readonly attempt: CommandAttempt | undefined;
  readonly providerMessageId: string;
  /** Of compliance; undefined = unchanged. */
  readonly decision: { readonly rule: string; readonly detail: string } | undefined;
  readonly errorCode: string;
  readonly detail: string;
  readonly signal: CommandSignal;
}

type Fields = Partial<Omit<CommandChange, 'command' | 'from' | 'to' | 'attemptsBefore'>>;

/** A command moves to another state. @param fields what is different from "nothing is planned, nothing to say". */
export const moveOf = (command: Command, to: CommandState, fields: Fields = {}): CommandChange => ({
  command,
  from: statesBefore(to),
  to,
  attemptsBefore: command.attemptCount,
  attemptCount: command.attemptCount,
  lookupCount: command.lookupCount,
  dueAtMs: Infinity,
  sentAtMs: undefined,
  attempt: undefined,
  providerMessageId: '',
  decision: undefined,
  errorCode: '',
  detail: '',
  signal: '',
  ...fields,
});

/** A command stays what it is, and is looked at again later. */
export const postponementOf = (
  command: Command,
  dueAtMs: number,
  fields: Pick<Fields, 'lookupCount' | 'decision'> = {},
): CommandChange => ({ ...moveOf(command, command.state, fields), from: [command.state], dueAtMs });
