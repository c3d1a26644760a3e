//! The subcommands `config-archive` and `config-pcr`.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use attestation::TrustAnchors;
use attestation::crypto::fill_random;
use clap::Args;
use enclave::config::{
    Config, ConfigBundle, ConfigError, Profile, SALT_LENGTH, SALT_NAME, TOML_NAME, ValidationError,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::atomic_file::AtomicFile;
use super::error::CommandError;

/// Write an enclave's configuration, including its secrets, to an archive. The parent instance sends the
/// archive to the enclave. With --public, the archive contains no secrets and can be published. The
/// command validates the configuration as the enclave does.
#[derive(Debug, Args)]
pub(super) struct ConfigArchive {
    /// Folder with enclave.toml and the files that it names. The command adds a file `salt` to it.
    folder: PathBuf,
    /// Write an archive for publication, from which others can compute PCR16. The archive omits the
    /// salt, the values of all secrets, and the contents of private key and PIN files. Comments stay in
    /// the archive.
    #[arg(long)]
    public: bool,
    /// File to write the archive to.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Print the value of PCR16 for this configuration. If the salt and all secrets are present, print the
/// value of PCR17 too.
#[derive(Debug, Args)]
pub(super) struct ConfigPcr {
    /// Folder with enclave.toml and the files that it names, or an archive of these files.
    folder: PathBuf,
}

impl ConfigArchive {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let toml = self.folder.join(TOML_NAME);
        let bundle = ConfigBundle::load(&toml)?;
        if let Some(name) =
            bundle.file_names().find(|name| is_same_file(&self.out, &self.folder.join(name)))
        {
            let reason = format!(
                "--out would overwrite {name}, a file of the configuration: choose another path"
            );
            return Err(CommandError::Usage(reason));
        }
        // The validation comes before the first write. It also rejects a misspelled key. Without
        // this check, the public archive would contain the secret after such a key.
        validate(bundle)?;
        if !self.public {
            add_salt(&self.folder)?;
        }
        let bundle = ConfigBundle::load(&toml)?;
        let archive = match self.public {
            true => bundle.public_archive()?,
            false => bundle.archive()?,
        };
        if self.public && bundle.contains_secret_or_private_key(&archive)? {
            let reason = "a secret, such as a PIN, also occurs in a comment, a value or another \
                          file, and would be published: remove that occurrence, or choose another \
                          secret";
            return Err(CommandError::Content { path: toml, reason: reason.to_owned() });
        }
        match self.public {
            true => AtomicFile::write(&self.out, |out| out.write_all(&archive))?.commit(),
            false => AtomicFile::write_secret(&self.out, &archive)?.commit(),
        }
    }
}

/// Validates the configuration as the enclave does. Does not require the salt, because the salt is
/// created last.
fn validate(bundle: ConfigBundle) -> Result<(), CommandError> {
    let config = Config::from_bundle(bundle)?;
    config.add_anchors(&mut TrustAnchors::aws_nitro())?;
    match config.settings(Profile::Production) {
        Ok(_) | Err(ConfigError::Invalid { error: ValidationError::NoSalt, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether both paths name the same file, which need not exist yet.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| match path.canonicalize() {
        Ok(path) => Some(path),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
            Some(folder.join(path.file_name()?))
        }
    };
    canonical(one).is_some_and(|one| canonical(other) == Some(one))
}

/// Creates the file `salt` if it does not exist.
fn add_salt(folder: &Path) -> Result<(), CommandError> {
    let path = folder.join(SALT_NAME);
    let failed = |error| CommandError::File { path: path.clone(), error };
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        created => created.map_err(failed)?,
    };
    let mut salt = Zeroizing::new([0; SALT_LENGTH]);
    fill_random(salt.as_mut_slice())
        .map_err(|error| failed(io::Error::other(error.to_string())))?;
    file.write_all(salt.as_slice()).map_err(failed)
}

impl ConfigPcr {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let path = match self.folder.is_dir() {
            true => self.folder.join(TOML_NAME),
            false => self.folder,
        };
        let bundle = ConfigBundle::load(&path)?;
        let measured = bundle.measure(&[0; SALT_LENGTH])?;
        let secrets = match bundle.has_salt() && bundle.has_all_secrets()? {
            true => Value::from(const_hex::encode(measured.secrets_pcr())),
            false => Value::Null,
        };
        if secrets.is_null() {
            let name = path.display();
            // If standard error is closed, the note cannot be printed.
            drop(writeln!(
                io::stderr(),
                "attested-recipient: PCR17 is unknown: {name} lacks the file {SALT_NAME} or a \
                 secret (a public archive contains neither)"
            ));
        }
        let pcrs = json!({
            "PCR16": const_hex::encode(measured.configuration_pcr()),
            "PCR17": secrets,
        });
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{pcrs:#}")?;
        Ok(stdout.flush()?)
    }
}
