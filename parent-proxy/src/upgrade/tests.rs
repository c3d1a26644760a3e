use std::fs;
use std::net::TcpListener;

use tokio::time::sleep;

use super::*;

/// Attempts an upgrade with a shell script as the successor.
async fn attempt(script: &str) -> Result<(), UpgradeError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = [NamedListener { name: "a".to_owned(), descriptor: listener.into() }];
    let mut upgrader = Upgrader {
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        start_timeout: Duration::from_millis(500),
        ..Upgrader::new().unwrap()
    };
    upgrader.attempt(&listeners, || true).await
}

#[tokio::test]
async fn kills_a_successor_that_is_not_ready_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let script = format!("echo $$ >{}; exec sleep 1000", file.display());
    let error = attempt(&script).await.unwrap_err();
    assert!(matches!(error, UpgradeError::Timeout(_)), "{error}");
    let id = fs::read_to_string(&file).unwrap();
    // The process disappears once the runtime has reaped it.
    let process = format!("/proc/{}", id.trim());
    let gone = async {
        while Path::new(&process).exists() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn rejects_an_unknown_byte_from_the_successor() {
    let error = attempt("echo no >&0; exec sleep 1000").await.unwrap_err();
    assert!(matches!(error, UpgradeError::Closed(_)), "{error}");
}

#[tokio::test]
async fn keeps_serving_where_only_this_process_has_a_ready_enclave() {
    let error = attempt("printf U >&0; exec cat >/dev/null").await.unwrap_err();
    assert!(matches!(error, UpgradeError::NotReady), "{error}");
}

#[tokio::test]
async fn hands_over_to_a_ready_successor_with_its_process_id() {
    let script = "test \"$PARENT_PROXY_PREDECESSOR\" = $PPID && printf R >&0; exec cat >/dev/null";
    attempt(script).await.unwrap();
}

#[test]
fn relative_program_path_becomes_absolute() {
    let here = env::current_dir().unwrap();
    assert_eq!(program_path("./a/../b".into()).unwrap(), here.join("a/../b"));
    assert_eq!(program_path("/usr/bin/a".into()).unwrap(), Path::new("/usr/bin/a"));
    assert_eq!(program_path("a".into()).unwrap(), Path::new("a"));
}
