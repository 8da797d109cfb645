import { type NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';

const SUBJECT = wakeSubject('tenants');

/**
 * Tells every loop, here and in the other replicas, that the configuration or a confirmation changed.
 * A lost message costs one poll interval: the database is what counts.
 */
export class ConfigWake {
  private count = 0;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly link: Pick<NatsLink, 'publish' | 'subscribe'>) {
    link.subscribe(SUBJECT, () => this.wakeHere());
  }

  /** How often there was news; taken before looking, handed to waitFrom after. */
  get generation(): number {
    return this.count;
  }

  notify(): void {
    this.wakeHere();
    this.link.publish(SUBJECT);
  }

  /** Resolves when there was news since `generation`, or after the timeout. */
  waitFrom(generation: number, timeoutMs: number): Promise<void> {
    if (generation !== this.count) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiting.add(done);
    });
  }

  private wakeHere(): void {
    this.count += 1;
    for (const done of [...this.waiting]) done();
  }
}
