import { grouped, type Violation } from '../checker/evidence.js';
import { isAfter, isBefore } from '../wire/loop-clock.js';
import { type Race, type RaceEvidence, type Send, type StoredCommand } from './race.js';

/** A race is close when the send and the STOP were this near to each other. */
export const CLOSE_MS = 100;
/** States in which nothing more happens to a command by itself. */
const ENDED = new Set(['sent', 'blocked', 'failed', 'canceled', 'expired']);

const OPT_OUT_RULE = /^(suppression|consent|opt_out)\./;

/** What a run came to. */
export interface RaceVerdict {
  readonly violations: readonly Violation[];
  readonly races: number;
  /** The message was at the provider before the STOP was acknowledged. */
  readonly sentFirst: number;
  /** The STOP was there first, and the message never left. */
  readonly refused: number;
  readonly close: number;
  /** Too near to each other to say which was first. */
  readonly unclear: number;
  /** Messages of contacts that said nothing, and got them. */
  readonly controlsSent: number;
  /** Of the others, those that left us and never arrived: no fault of the rules. */
  readonly controlsOpen: number;
  readonly controls: number;
  /** Left us, never arrived, and nobody can ask: for a person. */
  readonly open: number;
}

/** Judges a run that is over. */
export function judgeRaces(evidence: RaceEvidence): RaceVerdict {
  const { races, sends, commands } = evidence;
  const sendsOf = grouped(sends, ({ messageId }) => messageId);
  const commandOf = new Map(commands.map((command) => [command.messageId, command]));
  const firstOf = ({ messageId }: Race): Send | undefined => sendsOf.get(messageId)?.[0];
  const takenOf = ({ messageId }: Race): Send | undefined =>
    sendsOf.get(messageId)?.find(({ isTaken }) => isTaken);
  const asked = races.filter(({ messageId }) => messageId !== '');
  const acked = asked.filter(({ stop }) => stop?.acked !== undefined);
  const controls = asked.filter(({ stop }) => stop === undefined);
  const isOpen = ({ messageId }: Race): boolean => commandOf.get(messageId)?.state === 'indeterminate';
  const isRefused = (race: Race): boolean =>
    firstOf(race) === undefined && commandOf.get(race.messageId)?.state === 'blocked';
  return {
    violations: [
      ...judgeOrder(evidence),
      ...[...sendsOf.values()].flatMap(judgeRepeats),
      ...judgeOrigin(evidence),
      ...asked.flatMap((race) => judgeCommand(race, commandOf.get(race.messageId), takenOf(race))),
      ...judgeForce(evidence, commandOf),
    ],
    races: races.length,
    sentFirst: acked.filter((race) => isFirst(firstOf(race), race)).length,
    refused: acked.filter(isRefused).length,
    close: acked.filter((race) => isClose(race, firstOf(race), commandOf.get(race.messageId))).length,
    unclear: acked.filter((race) => isUnclear(firstOf(race), race)).length,
    controls: controls.length,
    controlsSent: controls.filter((race) => firstOf(race) !== undefined).length,
    controlsOpen: controls.filter((race) => firstOf(race) === undefined && isOpen(race)).length,
    open: commands.filter(({ state }) => state === 'indeterminate').length,
  };
}

const isFirst = (send: Send | undefined, { stop }: Race): boolean =>
  send !== undefined && isBefore(send.firstByte, stop!.acked!);

const isUnclear = (send: Send | undefined, { stop }: Race): boolean =>
  send !== undefined && !isBefore(send.firstByte, stop!.acked!) && !isAfter(send.firstByte, stop!.acked!);

function isClose({ stop }: Race, send: Send | undefined, command: StoredCommand | undefined): boolean {
  // Of one that was refused: when it was.
  const sendMs = send?.firstByte.latestMs ?? command?.sinceMs ?? Number.NaN;
  return sendMs >= stop!.postedMs - CLOSE_MS && sendMs <= stop!.acked!.latestMs + CLOSE_MS;
}

/** I5: whatever reaches the provider for a contact begins before that contact's STOP was acknowledged. */
function judgeOrder({ races, sends }: RaceEvidence): Violation[] {
  const ackOf = new Map(races.flatMap(({ contact, stop }) => (stop?.acked ? [[contact, stop.acked]] : [])));
  return sends.flatMap(({ contact, messageId, firstByte }): Violation[] => {
    const acked = ackOf.get(contact);
    if (acked === undefined || !isAfter(firstByte, acked)) return [];
    const lateMs = (firstByte.earliestMs - acked.latestMs).toFixed(1);
    const subject = `${messageId}, at least ${lateMs} ms`;
    return [{ invariant: 'I5', what: 'a send began after an acknowledged STOP', subject }];
  });
}

/** Never again what the provider may have taken. */
function judgeRepeats(sends: readonly Send[]): Violation[] {
  const { messageId } = sends[0]!;
  const isRepeated = sends.slice(0, -1).some(({ isTaken }) => isTaken);
  return isRepeated
    ? [{ invariant: 'I2', what: 'a message was handed to the provider twice', subject: messageId }]
    : [];
}

/** I3: each send was asked for, and for this contact. */
function judgeOrigin({ races, sends, commands }: RaceEvidence): Violation[] {
  const contactOf = new Map(races.map(({ messageId, contact }) => [messageId, contact]));
  const known = new Set(commands.map(({ messageId }) => messageId));
  return sends.flatMap(({ messageId, contact }): Violation[] => {
    if (!known.has(messageId))
      return [
        { invariant: 'I3', what: 'a send that nobody asked for', subject: `${messageId} to ${contact}` },
      ];
    const wanted = contactOf.get(messageId);
    return wanted === undefined || wanted === contact
      ? []
      : [{ invariant: 'I3', what: 'a send to somebody else', subject: messageId }];
  });
}

/** What is stored of a message is what became of it, and nothing stays open that somebody could tell. */
function judgeCommand(race: Race, command: StoredCommand | undefined, taken: Send | undefined): Violation[] {
  const found = (invariant: Violation['invariant'], what: string): Violation[] => [
    { invariant, what, subject: `${race.messageId} ${command?.state ?? ''}`.trim() },
  ];
  if (command === undefined) return found('I1', 'taken by the API, but not stored');
  const { state, rule, providerMessageId } = command;
  if (state === 'indeterminate')
    return taken !== undefined ? found('I7', 'the provider has it and was not asked, or not believed') : [];
  if (!ENDED.has(state)) return found('I7', 'a message is still on its way');
  if (state === 'sent') {
    if (taken === undefined) return found('I2', 'said to be sent, but the provider never had it');
    return taken.providerMessageId === providerMessageId
      ? []
      : found('I2', "sent, with another message's ID");
  }
  if (taken !== undefined) return found('I2', 'the provider took it, but it is said not to be sent');
  if (race.stop === undefined) return found('I2', 'a contact who said nothing did not get the message');
  if (state !== 'blocked') return [];
  if (rule === '') return found('I2', 'refused without a rule');
  return OPT_OUT_RULE.test(rule) ? [] : found('I2', `refused by ${rule}, not for the STOP`);
}

/** An acknowledged opt-out is on the list, and nobody else is. */
function judgeForce(
  { races, suppressed, pendingSignals }: RaceEvidence,
  commandOf: ReadonlyMap<string, StoredCommand>,
): Violation[] {
  const violations = races.flatMap((race): Violation[] => {
    const person = commandOf.get(race.messageId)?.person;
    if (person === undefined) return [];
    const isSuppressed = suppressed.has(person);
    if (race.stop === undefined)
      return isSuppressed
        ? [{ invariant: 'I3', what: 'suppressed without a STOP', subject: race.contact }]
        : [];
    return isSuppressed || race.stop.acked === undefined
      ? []
      : [{ invariant: 'I5', what: 'a STOP was acknowledged and is not on the list', subject: race.contact }];
  });
  if (pendingSignals === 0) return violations;
  const what = 'opt-outs were stored and never applied';
  return [...violations, { invariant: 'I7', what, subject: String(pendingSignals) }];
}
