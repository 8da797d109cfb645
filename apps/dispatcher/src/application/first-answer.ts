import { formatId } from '@posthorn/clock/id.js';
import { type CommandView } from '../domain/command-view.js';
import type { NewCommand } from '../persistence/command.inserts.js';

/** What nothing has become of yet. */
const UNTRIED = {
  ...{ decisionRule: '', decisionDetail: '', errorCode: '', detail: '', providerMessageId: '' },
  ...{ attemptCount: 0, finishedAtMs: 0, isWaitingForPerson: false, attempts: [] },
};

/** What whoever asked for a command is told of it, once it is stored. */
export const viewOfNew = (command: NewCommand): CommandView => ({
  ...UNTRIED,
  id: formatId('msg', command.messageId),
  sourceId: formatId('src', command.sourceUuid),
  channel: command.channel,
  category: command.category,
  campaign: command.campaign,
  state: command.state,
  stateChangedAtMs: command.createdAtMs,
  nextAttemptAtMs: command.dueAtMs,
  notAfterMs: command.notAfterMs,
  createdAtMs: command.createdAtMs,
  sender: command.sender,
  conversationId: formatId('cnv', command.conversationId),
  ruleId: command.ruleId.length === 0 ? '' : formatId('rul', command.ruleId),
  triggerEventId: command.triggerEventId.length === 0 ? '' : formatId('evt', command.triggerEventId),
  personHash: command.personHash.toString('hex'),
});

/**
 * The same of a command that may have moved since: who asks again with the same key gets the first answer.
 * @param notBeforeMs as it was asked for, then and now.
 */
export function firstViewOf(view: CommandView, notBeforeMs: number): CommandView {
  const isScheduled = notBeforeMs > view.createdAtMs;
  return {
    ...view,
    ...UNTRIED,
    state: isScheduled ? 'scheduled' : 'accepted',
    stateChangedAtMs: view.createdAtMs,
    nextAttemptAtMs: isScheduled ? notBeforeMs : view.createdAtMs,
  };
}
