import { type Moment } from '../wire/loop-clock.js';

// One race: a message to a contact is asked for while the contact says STOP. Times are monotonic milliseconds of
// one process, which plays the tenant, the contact's provider on the way in, and the provider on the way out.

export interface Race {
  /** The contact's number, of this race alone. */
  readonly contact: string;
  /** UUID. */
  readonly tenant: string;
  readonly category: 'transactional' | 'marketing';
  /** `msg_…` of the answer; empty: it never said. */
  readonly messageId: string;
  /** Undefined: this contact says nothing, and must get its message. */
  readonly stop: { readonly postedMs: number; readonly acked: Moment | undefined } | undefined;
}

/** A send as the provider saw it. */
export interface Send {
  readonly contact: string;
  /** Our reference that it carried. */
  readonly messageId: string;
  readonly providerMessageId: string;
  readonly isTaken: boolean;
  readonly firstByte: Moment;
}

/** A command as it is stored in the end. */
export interface StoredCommand {
  readonly messageId: string;
  /** Tenant and keyed hash. */
  readonly person: string;
  readonly state: string;
  /** Since when, by this process's clock: for closeness only, it comes from another one. */
  readonly sinceMs: number;
  readonly providerMessageId: string;
  /** Of compliance's last decision. */
  readonly rule: string;
}

/** All that is known of a run, from three witnesses: the sender, the provider, the database. */
export interface RaceEvidence {
  readonly races: readonly Race[];
  readonly sends: readonly Send[];
  readonly commands: readonly StoredCommand[];
  /** Persons, as in `StoredCommand.person`, with a suppression in force. */
  readonly suppressed: ReadonlySet<string>;
  /** Opt-outs of intake that nobody has applied. */
  readonly pendingSignals: number;
}
