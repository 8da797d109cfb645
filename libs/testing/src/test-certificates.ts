import { join } from 'node:path';

/** Name of the variable by which a run of Jest hands its certificates to the test files. */
export const TEST_CERTIFICATES = 'POSTHORN_TEST_CERTIFICATES';
/** Who has a certificate in every run: each service. */
export const CERTIFIED = ['api', 'compliance', 'dispatcher', 'events', 'ingress', 'tenants'] as const;

/** Files of one service, in PEM. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** Certificates of a local authority. */
export interface Certificates {
  /** @throws Error when that service was not asked for. */
  of(service: string): CertificateFiles;
}

/** The certificates in a folder of makeCertificates. */
export function certificatesIn(folder: string, services: readonly string[]): Certificates {
  const known = new Set(services);
  return {
    of: (service) => {
      if (!known.has(service)) throw new Error(`there is no certificate for ${service}`);
      const [certFile, keyFile] = [join(folder, `${service}.crt`), join(folder, `${service}.key`)];
      return { certFile, keyFile, caFile: join(folder, 'ca.crt') };
    },
  };
}

/**
 * The certificates of the services, made once by the run's global setup; nobody changes their files. A test that
 * renews or breaks some makes its own.
 */
export function testCertificates(): Certificates {
  const folder = process.env[TEST_CERTIFICATES];
  if (folder === undefined || folder === '')
    throw new Error(`${TEST_CERTIFICATES} is not set: run medium tests by npm run test:int`);
  return certificatesIn(folder, CERTIFIED);
}
