import {
  projectEvent,
  reportedStateOf,
  UnprojectableEvent,
  type FactDraft,
  type LoggedEvent,
  type MessageRecord,
  type Transition,
} from './project-event.js';

/** How far one lane of the log is projected. */
export interface LaneCursor {
  readonly shard: number;
  readonly xid: bigint;
  readonly position: bigint;
  /** The number of the lane's last fact. */
  readonly headSequence: bigint;
}

/** What names a message at its provider. */
export type MessageKey = Pick<MessageRecord, 'tenantId' | 'sourceId' | 'providerMessageId'>;

/** One event that could not be projected. */
export interface Quarantined {
  readonly event: LoggedEvent;
  readonly cause: string;
}

/** A fact with its place in the lane. */
export interface NumberedFact {
  readonly shard: number;
  readonly sequence: bigint;
  readonly draft: FactDraft;
}

/** Everything that follows from a batch of events. */
export interface BatchProjection {
  readonly created: readonly MessageRecord[];
  readonly changed: readonly MessageRecord[];
  readonly transitions: readonly Transition[];
  /** Numbered without gaps in each lane, in the order of the events. */
  readonly facts: readonly NumberedFact[];
  readonly quarantined: readonly Quarantined[];
  readonly lanes: readonly { readonly before: LaneCursor; readonly after: LaneCursor }[];
}

/** The events that are about messages, and those messages; what cannot be projected is put aside. */
export class Batch {
  /** Each message once, in the order of its first event. */
  readonly keys: readonly MessageKey[];
  private readonly keyIndexOf = new Map<LoggedEvent, number>();
  private readonly quarantined = new Map<LoggedEvent, string>();

  /**
   * @param events in the order of their lanes.
   * @param refused events that the store refused before, with the cause.
   */
  constructor(
    private readonly events: readonly LoggedEvent[],
    refused: ReadonlyMap<LoggedEvent, string> = new Map(),
  ) {
    const keys: MessageKey[] = [];
    const indexOf = new Map<string, number>();
    for (const event of events) {
      const cause = refused.get(event);
      if (cause !== undefined) this.quarantined.set(event, cause);
      else if (!this.isAboutMessage(event)) continue;
      else {
        const name = nameOf(event);
        let index = indexOf.get(name);
        if (index === undefined) {
          indexOf.set(name, (index = keys.length));
          const { tenantId, sourceId, attributes } = event;
          keys.push({ tenantId, sourceId, providerMessageId: attributes.providerMessageId });
        }
        this.keyIndexOf.set(event, index);
      }
    }
    this.keys = keys;
  }

  /**
   * Applies the events one after another.
   * @param found the messages of `keys`, undefined for one that is not known.
   * @param cursors of every lane that has events here.
   */
  project(
    found: readonly (MessageRecord | undefined)[],
    cursors: ReadonlyMap<number, LaneCursor>,
    newMessageId: (nowMs: number) => Buffer,
  ): BatchProjection {
    const records = [...found];
    const transitions: Transition[] = [];
    const facts: NumberedFact[] = [];
    const after = new Map<number, LaneCursor>();
    for (const event of this.events) {
      const { shard, xid, position } = event;
      let { headSequence } = after.get(shard) ?? cursors.get(shard)!;
      if (!this.quarantined.has(event)) {
        const index = this.keyIndexOf.get(event);
        const before = index === undefined ? undefined : records[index];
        const { transition, message, fact } = projectEvent(event, before, newMessageId);
        if (index !== undefined) records[index] = message;
        transitions.push(transition);
        if (fact !== undefined) facts.push({ shard, sequence: (headSequence += 1n), draft: fact });
      }
      after.set(shard, { shard, xid, position, headSequence });
    }
    return {
      created: records.filter(
        (record, index) => found[index] === undefined && record !== undefined,
      ) as MessageRecord[],
      changed: records.filter(
        (record, index) => found[index] !== undefined && record !== found[index],
      ) as MessageRecord[],
      transitions,
      facts,
      quarantined: [...this.quarantined].map(([event, cause]) => ({ event, cause })),
      lanes: [...after].map(([shard, cursor]) => ({ before: cursors.get(shard)!, after: cursor })),
    };
  }

  private isAboutMessage(event: LoggedEvent): boolean {
    try {
      return reportedStateOf(event) !== undefined;
    } catch (error) {
      if (!(error instanceof UnprojectableEvent)) throw error;
      this.quarantined.set(event, error.message);
      return false;
    }
  }
}

const nameOf = ({ tenantId, sourceId, attributes }: LoggedEvent): string =>
  `${tenantId.toString('latin1')}${sourceId.toString('latin1')}${attributes.providerMessageId}`;
