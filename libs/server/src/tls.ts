import { readFileSync, type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js';
import { AppError } from '@posthorn/errors/app-error.js';

/** Where the certificate of this process is. Empty texts: it has none and can neither serve nor call. */
export interface Tls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;
interface Material {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly caCertificate: Buffer;
}

const REFRESH_INTERVAL_MS = 5_000;
const watchers = new WeakMap<Tls, CertificateWatcher>();

/**
 * The certificate of a process, read again when its files change.
 * Why not grpc-js' own FileWatcherCertificateProvider: it drops the certificate while a file cannot be read,
 * and hands on a certificate whose key is not yet written. This one keeps the last that fit.
 */
export class CertificateWatcher implements experimental.CertificateProvider {
  private readonly caListeners = new Set<CaListener>();
  private readonly identityListeners = new Set<IdentityListener>();
  private material: Material;
  private fingerprint: string;
  private timer: NodeJS.Timeout | undefined;

  /** @throws AppError `config.invalid` when the files are missing or do not fit each other. */
  constructor(
    private readonly tls: Tls,
    private readonly refreshIntervalMs = REFRESH_INTERVAL_MS,
  ) {
    try {
      this.fingerprint = this.files.map((file) => fingerprintOf(statSync(file))).join();
      this.material = this.read();
    } catch (cause) {
      throw new AppError('config.invalid', {
        detail:
          'TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE must name a certificate, its key and the authority',
        cause,
      });
    }
  }

  /** Reads the files again if they changed. */
  async refresh(): Promise<void> {
    try {
      const stats = await Promise.all(this.files.map((file) => stat(file)));
      const fingerprint = stats.map(fingerprintOf).join();
      if (fingerprint === this.fingerprint) return;
      this.material = this.read();
      this.fingerprint = fingerprint;
    } catch {
      return; // half-written or gone for a moment: the next round looks again
    }
    for (const listener of this.caListeners) listener(this.material);
    for (const listener of this.identityListeners) listener(this.material);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.caListeners.add(listener);
    this.watch();
    process.nextTick(listener, this.material); // grpc-js registers its own watcher after ours answers
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.add(listener);
    this.watch();
    process.nextTick(listener, this.material); // grpc-js registers its own watcher after ours answers
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.caListeners.delete(listener);
    this.unwatch();
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.delete(listener);
    this.unwatch();
  }

  private get files(): string[] {
    return [this.tls.certFile, this.tls.keyFile, this.tls.caFile];
  }

  private watch(): void {
    this.timer ??= setInterval(() => void this.refresh(), this.refreshIntervalMs).unref();
  }

  private unwatch(): void {
    if (this.caListeners.size + this.identityListeners.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private read(): Material {
    const [certificate, privateKey, caCertificate] = this.files.map((file) => readFileSync(file)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)))
      throw new Error('the key is not the one of the certificate');
    void new X509Certificate(caCertificate);
    return { certificate, privateKey, caCertificate };
  }
}

/** Replaced files have another inode, rewritten ones another time. */
const fingerprintOf = ({ ino, mtimeMs, size }: Stats): string => `${ino}:${mtimeMs}:${size}`;

/** The one watcher of these files. @throws AppError `config.invalid` */
export function watcherOf(tls: Tls): CertificateWatcher {
  const known = watchers.get(tls);
  if (known !== undefined) return known;
  const watcher = new CertificateWatcher(tls);
  watchers.set(tls, watcher);
  return watcher;
}

/** Asks every client for a certificate of the same authority. @throws AppError `config.invalid` */
export function serverCredentials(tls: Tls): ServerCredentials {
  const watcher = watcherOf(tls);
  return experimental.createCertificateProviderServerCredentials(watcher, watcher, true);
}

/** Shows our certificate, and takes only a server of the same authority. @throws AppError `config.invalid` */
export function channelCredentials(tls: Tls): ChannelCredentials {
  const watcher = watcherOf(tls);
  return experimental.createCertificateProviderChannelCredentials(watcher, watcher);
}
