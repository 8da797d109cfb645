import { type Category, type Channel, type Sender } from './command.js';
import { type AttemptOutcome } from './command-change.js';
import { type CommandState } from './command-state.js';

/** An attempt as somebody asks for it. Times in Unix milliseconds. */
export interface CommandAttemptView {
  readonly number: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  readonly errorCode: string;
  readonly detail: string;
  readonly permitId: string;
}

/** A command as somebody asks for it: IDs in their public form, empty = none; times in Unix milliseconds, 0 = none. */
export interface CommandView {
  readonly id: string;
  readonly sourceId: string;
  readonly channel: Channel;
  readonly category: Category;
  readonly campaign: string;
  readonly state: CommandState;
  readonly stateChangedAtMs: number;
  readonly decisionRule: string;
  readonly decisionDetail: string;
  readonly errorCode: string;
  readonly detail: string;
  readonly providerMessageId: string;
  readonly attemptCount: number;
  readonly nextAttemptAtMs: number;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  readonly finishedAtMs: number;
  readonly sender: Sender;
  readonly conversationId: string;
  readonly ruleId: string;
  readonly triggerEventId: string;
  readonly isWaitingForPerson: boolean;
  /** Hex. */
  readonly personHash: string;
  readonly attempts: readonly CommandAttemptView[];
}
