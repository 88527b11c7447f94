import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { consulProgram, type Settings } from './agent.js';

export interface TlsFiles {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** A certificate of another authority, which nobody here trusts. */
  readonly wrongCa: string;
}

/** Certificates made by Consul's own tool, for 127.0.0.1 and localhost. */
export function makeCertificates(folder: string): TlsFiles {
  const run = (cwd: string, ...args: string[]) => {
    mkdirSync(cwd, { recursive: true });
    execFileSync(consulProgram(), ['tls', ...args], { cwd, stdio: 'ignore' });
  };
  run(folder, 'ca', 'create');
  run(folder, 'cert', 'create', '-server');
  run(folder, 'cert', 'create', '-client');
  const other = join(folder, 'other');
  run(other, 'ca', 'create');
  return {
    ca: join(folder, 'consul-agent-ca.pem'),
    serverCert: join(folder, 'dc1-server-consul-0.pem'),
    serverKey: join(folder, 'dc1-server-consul-0-key.pem'),
    clientCert: join(folder, 'dc1-client-consul-0.pem'),
    clientKey: join(folder, 'dc1-client-consul-0-key.pem'),
    wrongCa: join(other, 'consul-agent-ca.pem'),
  };
}

export function tlsSettings(files: TlsFiles, port: number): Settings {
  return {
    ports: { https: port },
    ca_file: files.ca,
    cert_file: files.serverCert,
    key_file: files.serverKey,
    verify_incoming_https: true,
  };
}
