import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';
import { WakeSignal } from '@posthorn/jetstream/wake-signal.js';

/** Tells the relay that there is something to relay. */
export class RelayWake extends WakeSignal {
  constructor(link: Pick<NatsLink, 'publish' | 'subscribe'>) {
    super(link, wakeSubject('dispatcher.outgoing'));
  }
}
